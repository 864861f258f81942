/* Scheduling: `call_soon`, `call_later`, `call_at` and `time` of a loop.

   Owns: the twins of these methods of `Scheduling` (_loop/core/scheduling.py), and of `nanoseconds`
   (_kernel/clock.py) for durations that are neither negative nor centuries.

   Must not know: when handles run.

   Invariants: a twin takes a loop of exactly the class SimLoop, open and not in debug mode; a
   subclass, and a queue that is no plain deque (that of a closed loop, or of one with a driver), are
   the Python method's. */
#include "speed.h"

#define NS_PER_SECOND 1000000000LL
#define COARSE_NS (8388608LL * NS_PER_SECOND) /* COARSE_NS of clock.py; below 2**53. */

/* The context that was given, borrowed; NULL if none was. 0 if there are other arguments by name. */
static int read_context(PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **context) {
    PyObject *name;
    *context = NULL;
    if (names == NULL || PyTuple_GET_SIZE(names) == 0)
        return 1;
    name = PyTuple_GET_ITEM(names, 0);
    if (PyTuple_GET_SIZE(names) != 1 || (name != words.context && PyUnicode_Compare(name, words.context) != 0))
        return 0;
    if (args[count] != Py_None)
        *context = args[count];
    return 1;
}

/* The queue of a loop that is not in debug mode, a new reference; NULL if it is one to leave alone. */
static PyObject *plain_queue(PyObject *loop) {
    PyObject *attributes, *ready = NULL;
    if (Py_TYPE(loop) != found.loop || (attributes = attributes_of(loop)) == NULL)
        return NULL;
    if (attribute(attributes, words.debug) == Py_False) {
        ready = attribute(attributes, words.ready);
        ready = ready != NULL && Py_TYPE(ready) == found.deque ? Py_NewRef(ready) : NULL;
    }
    Py_DECREF(attributes);
    return ready;
}

static PyObject *call_soon(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *context, *ready, *handle;
    if (count < 2 || args[1] == Py_None || !read_context(args, count, names, &context) || !is_as_found(&found.handle)
        || (ready = plain_queue(args[0])) == NULL)
        return pass_on(door, args, count, names);
    handle = new_handle(args[0], args[1], args + 2, count - 2, context);
    if (handle != NULL && append(ready, handle) < 0)
        Py_CLEAR(handle);
    Py_DECREF(ready);
    return handle;
}

/* nanoseconds() of clock.py: 0 if that has to tell it. Each line has the same arithmetic in doubles. */
static int nanoseconds(PyObject *value, long long *ns) {
    double seconds, scaled, rest;
    long long whole;
    if (PyFloat_CheckExact(value))
        seconds = PyFloat_AS_DOUBLE(value);
    else if (PyLong_CheckExact(value)) {
        seconds = PyLong_AsDouble(value);
        if (seconds == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
    } else
        return 0;
    scaled = seconds * 1e9;
    if (!(scaled >= 0.0 && scaled < 4e18))
        return 0;
    whole = (long long)scaled;
    rest = scaled - (double)whole;
    if (rest == 0.0)
        *ns = whole;
    else if (whole == 0)
        *ns = 1;
    else
        *ns = rest >= 0.5 || rest > 1e-3 + scaled * 1e-14 ? whole + 1 : whole;
    return 1;
}

/* Whether that is a kernel that is known here, not centuries ahead; and its time. */
static int is_kernel(PyObject *kernel, long long *now_ns) {
    return kernel != NULL && Py_TYPE(kernel) == found.kernel.type && slot_number(kernel, found.of_kernel.now_ns, now_ns)
        && *now_ns >= 0 && *now_ns < 4000000000000000000LL;
}

/* Whether a loop is open and not in debug mode; and its time. */
static int takes_timers(PyObject *loop, long long *now_ns) {
    PyObject *attributes;
    int result;
    if (Py_TYPE(loop) != found.loop || !is_as_found(&found.timer_handle) || (attributes = attributes_of(loop)) == NULL)
        return 0;
    result = attribute(attributes, words.debug) == Py_False && attribute(attributes, words.closed) == Py_False
        && is_kernel(attribute(attributes, words.kernel), now_ns);
    Py_DECREF(attributes);
    return result;
}

static PyObject *set_timer(PyObject *const *args, Py_ssize_t count, long long when_ns, PyObject *context) {
    PyObject *wheel, *handle = new_timer(args[0], when_ns, args[2], args + 3, count - 3, context);
    if (handle == NULL)
        return NULL;
    wheel = PyObject_GetAttr(args[0], words.wheel);
    if (wheel == NULL || wheel_add(wheel, handle, when_ns) < 0)
        Py_CLEAR(handle);
    Py_XDECREF(wheel);
    return handle;
}

static PyObject *call_later(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *context;
    long long now_ns, delay_ns;
    if (count < 3 || args[2] == Py_None || !takes_timers(args[0], &now_ns) || !read_context(args, count, names, &context)
        || !nanoseconds(args[1], &delay_ns))
        return pass_on(door, args, count, names);
    return set_timer(args, count, now_ns + delay_ns, context);
}

static PyObject *call_at(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *context;
    long long when_ns, now_ns;
    if (count < 3 || args[2] == Py_None || !takes_timers(args[0], &now_ns) || !read_context(args, count, names, &context)
        || !PyFloat_CheckExact(args[1]) || !nanoseconds(args[1], &when_ns) || when_ns > COARSE_NS
        || (double)when_ns / 1e9 != PyFloat_AS_DOUBLE(args[1]))
        return pass_on(door, args, count, names);
    return set_timer(args, count, when_ns, context);
}

/* Count one reading of the clock; 0 if the Python method has to look at how many there were. */
static int count_read(PyObject *loop) {
    PyObject *none = NULL, *reads = read_attribute(loop, words.reads);
    if (reads != NULL && Py_TYPE(reads) == found.repeat)
        none = Py_TYPE(reads)->tp_iternext(reads);
    Py_XDECREF(reads);
    Py_XDECREF(none);
    return none != NULL;
}

/* What a clock shows: kept until it moves. */
static PyObject *show(PyObject *kernel, long long now_ns) {
    long long shown_ns;
    PyObject *shown = slot(kernel, found.of_kernel.shown_s);
    if (shown != NULL && slot_number(kernel, found.of_kernel.shown_ns, &shown_ns) && now_ns == shown_ns)
        return Py_NewRef(shown);
    shown = PyFloat_FromDouble((double)now_ns / 1e9);
    if (shown == NULL)
        return NULL;
    set_slot(kernel, found.of_kernel.shown_s, Py_NewRef(shown));
    set_slot(kernel, found.of_kernel.shown_ns, Py_NewRef(slot(kernel, found.of_kernel.now_ns)));
    return shown;
}

static PyObject *loop_time(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *kernel, *shown;
    long long now_ns;
    kernel = count == 1 && names == NULL && Py_TYPE(args[0]) == found.loop ? read_attribute(args[0], words.kernel) : NULL;
    if (!is_kernel(kernel, &now_ns) || now_ns > COARSE_NS || !count_read(args[0])) {
        Py_XDECREF(kernel);
        return pass_on(door, args, count, names);
    }
    shown = show(kernel, now_ns);
    Py_DECREF(kernel);
    return shown;
}

Twin scheduling_twin(const char *name) {
    if (strcmp(name, "call_soon") == 0)
        return call_soon;
    if (strcmp(name, "call_later") == 0)
        return call_later;
    if (strcmp(name, "call_at") == 0)
        return call_at;
    return strcmp(name, "time") == 0 ? loop_time : NULL;
}
