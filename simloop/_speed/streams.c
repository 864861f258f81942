/* Streams: the short ways of a transport, from a write to the peer's read.

   Owns: the twins of `FastWriter.write` (net/inet/byte_stream.py), `SocketTransport._wake`
   (_loop/transports/base_transport.py) and `StreamTransport._read_step` (stream_transport.py).
   Everything but a piece of bytes that fits, on a connection of which nobody wants more, goes the
   long way, in Python.

   Must not know: what is below a socket.

   Invariants: those of byte_stream.py and buffers.py. After each call into a protocol all is read
   again: it may have closed the transport, or exchanged the protocol. */
#include "speed.h"

#define READ_SIZE_MAX (256 * 1024) /* _READ_SIZE_MAX of stream_transport.py. */

static int is_stream(PyObject *transport) {
    return Py_TYPE(transport) == found.stream_transport || Py_TYPE(transport) == found.unix_transport;
}

/* A file's inbox and its chunks, borrowed; 0 if they are others than expected. */
static int read_inbox(PyObject *file, PyObject **inbox, PyObject **chunks) {
    *inbox = slot(file, found.of_stream.inbox);
    if (*inbox == NULL || Py_TYPE(*inbox) != found.byte_queue)
        return 0;
    *chunks = slot(*inbox, found.of_queue.chunks);
    return *chunks != NULL && Py_TYPE(*chunks) == found.deque;
}

static int is_socket_file(PyObject *file) { return file != NULL && PyObject_TypeCheck(file, found.stream_socket); }

/* Writing ------------------------------------------------------------------------------------ */

/* The file that a transport may put bytes into without asking anybody, borrowed; NULL if there is none. */
static PyObject *open_peer(PyObject *transport, PyObject **file) {
    PyObject *fabric, *peer;
    *file = slot(transport, found.of_transport.file);
    if (slot(transport, found.of_transport.is_flowing) != Py_True || !is_socket_file(*file)
        || slot(*file, found.of_stream.direct) != Py_True)
        return NULL;
    fabric = slot(*file, found.of_stream.fabric);
    if (fabric == NULL || Py_TYPE(fabric) != found.fabric || slot(fabric, found.of_fabric.direct) != Py_True)
        return NULL;
    peer = slot(*file, found.of_stream.peer);
    return is_socket_file(peer) ? peer : NULL;
}

/* Put bytes into the inbox of a file, if they fit, and tell its reader: 1; 0 if they don't; -1. */
static int put(PyObject *peer, PyObject *data, PyObject *file) {
    PyObject *inbox, *chunks, *watcher, *none, *total;
    long long window, held;
    Py_ssize_t size = PyBytes_GET_SIZE(data);
    if (!read_inbox(peer, &inbox, &chunks) || !slot_number(file, found.of_stream.window, &window)
        || !slot_number(inbox, found.of_queue.size, &held) || size == 0 || size > window - held)
        return 0;
    total = PyLong_FromLongLong(held + size);
    if (total == NULL || append(chunks, data) < 0) {
        Py_XDECREF(total);
        return -1;
    }
    set_slot(inbox, found.of_queue.size, total);
    watcher = slot(peer, found.of_stream.on_readable);
    if (watcher == NULL || watcher == Py_None)
        return 1;
    Py_INCREF(watcher);
    none = PyObject_CallNoArgs(watcher);
    Py_DECREF(watcher);
    Py_XDECREF(none);
    return none == NULL ? -1 : 1;
}

static PyObject *write_bytes(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *file, *peer;
    int state = 0;
    if (count == 2 && names == NULL && is_stream(args[0]) && PyBytes_CheckExact(args[1])) {
        peer = open_peer(args[0], &file);
        if (peer != NULL) {
            Py_INCREF(peer);
            Py_INCREF(file);
            state = put(peer, args[1], file);
            Py_DECREF(file);
            Py_DECREF(peer);
        }
    }
    if (state == 0)
        return pass_on(door, args, count, names);
    return state < 0 ? NULL : Py_NewRef(Py_None);
}

/* Reading ------------------------------------------------------------------------------------ */

/* Schedule a read step, unless one waits: 1; 0 if the Python method has to; -1. */
static int wake_plainly(PyObject *transport) {
    PyObject *handle, *queue, *is_awake = slot(transport, found.of_transport.is_awake);
    if (is_awake == Py_True)
        return 1;
    queue = slot(transport, found.of_transport.io_ready);
    handle = slot(transport, found.of_transport.read_handle);
    if (is_awake != Py_False || queue == NULL || Py_TYPE(queue) != found.deque || handle == NULL)
        return 0;
    set_slot(transport, found.of_transport.is_awake, Py_NewRef(Py_True));
    return append(queue, handle) < 0 ? -1 : 1;
}

static PyObject *wake(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int state = 0;
    if (count == 1 && names == NULL && (is_stream(args[0]) || Py_TYPE(args[0]) == found.datagram_transport))
        state = wake_plainly(args[0]);
    if (state == 0)
        return pass_on(door, args, count, names);
    return state < 0 ? NULL : Py_NewRef(Py_None);
}

/* Take the only piece out of an inbox; NULL if there are more, or none, or it is a long one. */
static PyObject *take_piece(PyObject *inbox, PyObject *chunks) {
    long long size, head;
    PyObject *none;
    if (Py_SIZE(chunks) != 1 || !slot_number(inbox, found.of_queue.head, &head) || head != 0
        || !slot_number(inbox, found.of_queue.size, &size) || size > READ_SIZE_MAX)
        return NULL;
    none = PyLong_FromLong(0);
    if (none == NULL)
        return NULL;
    set_slot(inbox, found.of_queue.size, none);
    return popleft(chunks);
}

/* Tell the writer at the other end that there is room again, if it waits for that. */
static int make_room(PyObject *file) {
    PyObject *none, *peer = slot(file, found.of_stream.peer);
    if (!is_socket_file(peer) || slot(peer, found.of_stream.blocked) == Py_False)
        return 0;
    Py_INCREF(peer);
    none = PyObject_CallMethodNoArgs(peer, words.room_made);
    Py_DECREF(peer);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* Give the protocol what was read: 1; 0 if its error ended the connection; -1 if the run ends by it. */
static int give(PyObject *transport, PyObject *data) {
    PyObject *none, *protocol = Py_XNewRef(slot(transport, found.of_transport.protocol));
    if (protocol == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_protocol");
        return -1;
    }
    enter_frame();
    none = PyObject_CallMethodOneArg(protocol, words.data_received, data);
    leave_frame();
    Py_DECREF(protocol);
    Py_XDECREF(none);
    if (none != NULL)
        return 1;
    if (PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        return -1;
    return report_to(transport, words.fatal_error, found.data_received_failed, READ_STEP) < 0 ? -1 : 0;
}

/* Read one step from a file whose inbox and chunks are these. */
static int read_from(PyObject *transport, PyObject *file, PyObject *inbox, PyObject *chunks) {
    PyObject *none, *data = take_piece(inbox, chunks);
    int state;
    if (data != NULL)
        state = make_room(file);
    else if (PyErr_Occurred())
        return -1;
    else {
        data = PyObject_CallMethodNoArgs(transport, words.receive);
        state = data == NULL ? -1 : PyObject_IsTrue(data);
        if (state <= 0) {
            Py_XDECREF(data);
            return state;
        }
        state = 0;
    }
    if (state == 0)
        state = give(transport, data);
    Py_DECREF(data);
    if (state <= 0 || (Py_SIZE(chunks) == 0 && slot(file, found.of_stream.is_shut_read) == Py_False)
        || slot(transport, found.of_transport.is_reading) != Py_True)
        return state < 0 ? -1 : 0;
    none = PyObject_CallMethodNoArgs(transport, words.wake);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

static PyObject *read_step(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *file, *inbox, *chunks;
    int state;
    if (count != 1 || names != NULL || !is_stream(args[0]))
        return pass_on(door, args, count, names);
    file = slot(args[0], found.of_transport.file);
    if (!is_socket_file(file) || !read_inbox(file, &inbox, &chunks))
        return pass_on(door, args, count, names);
    set_slot(args[0], found.of_transport.is_awake, Py_NewRef(Py_False));
    if (slot(args[0], found.of_transport.is_reading) != Py_True)
        Py_RETURN_NONE;
    Py_INCREF(file);
    Py_INCREF(inbox);
    Py_INCREF(chunks);
    state = read_from(args[0], file, inbox, chunks);
    Py_DECREF(chunks);
    Py_DECREF(inbox);
    Py_DECREF(file);
    return state < 0 ? NULL : Py_NewRef(Py_None);
}

Twin streams_twin(const char *name) {
    if (strcmp(name, "write") == 0)
        return write_bytes;
    if (strcmp(name, "_wake") == 0)
        return wake;
    return strcmp(name, "_read_step") == 0 ? read_step : NULL;
}
