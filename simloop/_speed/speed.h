/* What the files of this folder share: how a slot of a Python object is read, and each file's calls.

   Owns: the offsets of slots, and the small words for reading and setting them. Every object here is
   one that the Python code made, of a class of its own, and a slot is the very one that Python reads.
   Must not know: what any subject does. */
#ifndef SIMLOOP_SPEED_H
#define SIMLOOP_SPEED_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#ifdef Py_GIL_DISABLED
#error "a free-threaded build runs the pure engine"
#endif

/* A class whose methods the code in C calls past their names, as long as nobody replaced one: told
   by the version that CPython gives a class anew whenever it, or a base of it, is changed. */
typedef struct {
    PyTypeObject *type;
    PyObject *found; /* A dictionary: what each name led to when the twins were installed. */
    unsigned int version;
} WatchedClass;

/* A method's twin: does what the Python one does, or hands the call on to it. */
typedef struct Door Door;
typedef PyObject *(*Twin)(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names);
struct Door {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *python;
    Twin twin;
};

/* How many callbacks of the turn that runs are left: what `rest` is in the pure one. */
typedef struct {
    PyObject_HEAD
    Py_ssize_t left;
} Rest;

/* Everything that is found once, when the twins are installed. */
typedef struct {
    WatchedClass handle, timer_handle, kernel, wheel, telling_wheel;
    PyTypeObject *loop, *limits, *deque, *repeat, *task, *stream_transport, *unix_transport, *datagram_transport,
        *stream_socket, *byte_queue, *fabric;
    PyCFunction append, popleft;
    PyObject *heappush, *heappop, *asyncio, *never;
    PyObject *sleep_ends, *task_kinds, *run_handle, *site_of, *data_received_failed;
    int numbers_tasks, offers_instructions;
    Py_ssize_t instruction_word;
    struct { Py_ssize_t callback, args, context, loop, when_ns, scheduled; } of_handle;
    struct {
        Py_ssize_t now_ns, shown_ns, shown_s, ready, io_ready, wheel, limits, steps, horizon_ns,
            before_jump, watched, is_observed, sole_observer, left;
    } of_kernel;
    struct {
        Py_ssize_t bits, never, numbers, open, open_slot, order, slots, cancelled_count, cancelled_max,
            overdue, tell;
    } of_wheel;
    struct { Py_ssize_t check_at; } of_limits;
    struct { Py_ssize_t file, is_flowing, is_awake, is_reading, io_ready, read_handle, protocol; } of_transport;
    struct { Py_ssize_t direct, fabric, peer, inbox, window, on_readable, blocked, is_shut_read; } of_stream;
    struct { Py_ssize_t chunks, head, size; } of_queue;
    struct { Py_ssize_t direct; } of_fabric;
} Found;

extern Found found;

/* The words that are looked up by name. */
typedef struct {
    PyObject *add, *append, *cancel_message, *closed, *context, *data_received, *debug, *fatal_error, *flush, *future, *get_coro, *get_name,
        *grant, *jump, *kernel, *loop, *made, *move_due, *name, *names, *next_hash, *open_next, *pending,
        *places, *qualname, *reads, *ready, *receive, *report, *returned, *room_made, *self, *simloop_hash, *stopping, *sweep, *task,
        *task_count, *task_factory, *token, *turn_observed, *turn_watched, *wake, *wheel, *widen;
} Words;

extern Words words;

/* A slot of an object, borrowed; NULL if it was never set, or was deleted. */
static inline PyObject *slot(PyObject *object, Py_ssize_t offset) {
    return *(PyObject **)((char *)object + offset);
}

/* Set a slot, taking over the reference. What was there goes last: it may run code. */
static inline void set_slot(PyObject *object, Py_ssize_t offset, PyObject *value) {
    PyObject **place = (PyObject **)((char *)object + offset);
    PyObject *before = *place;
    *place = value;
    Py_XDECREF(before);
}

/* An exact int as a number; 0 if it is none, or does not fit. */
static inline int as_number(PyObject *value, long long *number) {
    int overflow;
    if (value == NULL || !PyLong_CheckExact(value))
        return 0;
    *number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return !overflow;
}

/* A slot that holds an int, as as_number tells it. */
static inline int slot_number(PyObject *object, Py_ssize_t offset, long long *number) {
    return as_number(slot(object, offset), number);
}

static inline int add_to_slot(PyObject *object, Py_ssize_t offset, long long difference) {
    long long number;
    PyObject *sum;
    if (!slot_number(object, offset, &number)) {
        PyErr_SetString(PyExc_TypeError, "a count is no int");
        return -1;
    }
    sum = PyLong_FromLongLong(number + difference);
    if (sum == NULL)
        return -1;
    set_slot(object, offset, sum);
    return 0;
}

/* deque.append and deque.popleft, of an exact deque. */
static inline int append(PyObject *queue, PyObject *item) {
    PyObject *none = found.append(queue, item);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

static inline PyObject *popleft(PyObject *queue) { return found.popleft(queue, NULL); }

/* door.c */
extern PyTypeObject DoorType, RestType;
PyObject *new_door(PyObject *python, Twin twin);
PyObject *pass_on(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names);
int read_again(WatchedClass *watched);

static inline int is_as_found(WatchedClass *watched) {
    return (watched->version != 0 && watched->version == watched->type->tp_version_tag) || read_again(watched);
}

/* A loop has no slots, since asyncio's own loop may be made one: its attributes are found by name in its
   dictionary. `attributes_of` returns a new reference, `attribute` a borrowed one; NULL has no error set. */
static inline PyObject *attributes_of(PyObject *loop) {
    PyObject *attributes = PyObject_GenericGetDict(loop, NULL);
    if (attributes == NULL)
        PyErr_Clear();
    return attributes;
}

static inline PyObject *attribute(PyObject *attributes, PyObject *name) {
    PyObject *value = PyDict_GetItemWithError(attributes, name);
    if (value == NULL && PyErr_Occurred())
        PyErr_Clear();
    return value;
}

/* One attribute of a loop, a new reference. */
static inline PyObject *read_attribute(PyObject *loop, PyObject *name) {
    PyObject *attributes = attributes_of(loop), *value;
    if (attributes == NULL)
        return NULL;
    value = Py_XNewRef(attribute(attributes, name));
    Py_DECREF(attributes);
    return value;
}

/* handles.c */
PyObject *new_handle(PyObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *context);
PyObject *new_timer(PyObject *loop, long long when_ns, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *context);
Twin handle_twin(const char *name);

/* scheduling.c, tasks.c */
Twin scheduling_twin(const char *name);
Twin tasks_twin(const char *name);

/* wheel.c */
int is_plain_wheel(PyObject *wheel);
int wheel_add(PyObject *wheel, PyObject *handle, long long when_ns);
PyObject *wheel_next(PyObject *wheel);
int wheel_take(PyObject *wheel, PyObject *when_ns, PyObject *ready);
int wheel_move_due(PyObject *wheel, PyObject *now_ns, PyObject *ready);
Twin wheel_twin(const char *name);

/* errors.c: the error that is set, taken as an object; setting it again; and giving it to a method of an
   object, maybe with one thing more, as the error that is being handled; `which` method caught it. */
PyObject *take_error(void);
void set_error(PyObject *error);
typedef enum { PLAIN_TURN, TOLD_TURN, READ_STEP, SITES } Site;
int report_to(PyObject *object, PyObject *method, PyObject *more, Site which);

/* streams.c */
Twin streams_twin(const char *name);

/* Stand for a frame of the Python method while the program's code is called: it recurses as deep as it would. */
static inline void enter_frame(void) {
#if PY_VERSION_HEX >= 0x030c0000
    PyThreadState_Get()->py_recursion_remaining--;
#else
    PyThreadState_Get()->recursion_remaining--;
#endif
}

static inline void leave_frame(void) {
#if PY_VERSION_HEX >= 0x030c0000
    PyThreadState_Get()->py_recursion_remaining++;
#else
    PyThreadState_Get()->recursion_remaining++;
#endif
}

/* turns.c */
PyObject *run_turns(PyObject *module, PyObject *const *args, Py_ssize_t count);
Twin turns_twin(const char *name);

/* digest.c */
extern PyTypeObject StepType;
PyObject *telling(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *tell_step(PyObject *step, PyObject *now_ns, PyObject *handle);

#endif
