/* The timer wheel: taking a timer in, and handing out what is next.

   Owns: the twins of `TimerWheel.add`, `next_ns`, `take` and `move_due` (_kernel/timer_wheel.py), and
   of `TellingWheel.add`, over the same lists and dictionaries. Opening a slot, widening and sweeping are
   rare, and left to the Python methods.

   Must not know: loops, and what handles call.

   Invariants: those of timer_wheel.py. Letting go of a handle may run code of the program, which may
   set and cancel timers: so whatever was read is read again after it. */
#include "speed.h"

/* Whether a wheel is of one of the two known classes, and none of their methods was replaced. */
int is_plain_wheel(PyObject *wheel) {
    if (Py_TYPE(wheel) == found.wheel.type)
        return is_as_found(&found.wheel);
    return Py_TYPE(wheel) == found.telling_wheel.type && is_as_found(&found.telling_wheel) && is_as_found(&found.wheel);
}

/* Whether all slots hold what the methods here expect: a program may have set others. */
static int is_sound(PyObject *wheel) {
    PyObject *slots = slot(wheel, found.of_wheel.slots), *order = slot(wheel, found.of_wheel.order),
             *opened = slot(wheel, found.of_wheel.open), *overdue = slot(wheel, found.of_wheel.overdue);
    return slots != NULL && PyDict_CheckExact(slots) && order != NULL && PyList_CheckExact(order)
        && opened != NULL && PyList_CheckExact(opened) && overdue != NULL && PyList_CheckExact(overdue);
}

static int is_timer(PyObject *handle) { return PyObject_TypeCheck(handle, found.timer_handle.type); }

static PyObject *call_two(PyObject *function, PyObject *first, PyObject *second) {
    PyObject *args[2] = {first, second};
    return PyObject_Vectorcall(function, args, 2, NULL);
}

/* Adding ------------------------------------------------------------------------------------- */

static int add_overdue(PyObject *wheel, PyObject *handle) {
    PyObject *entry, *none, *numbers = slot(wheel, found.of_wheel.numbers), *number;
    number = PyIter_Check(numbers) ? PyIter_Next(numbers) : NULL;
    if (number == NULL)
        return PyErr_Occurred() ? -1 : (PyErr_SetString(PyExc_StopIteration, ""), -1);
    entry = PyTuple_Pack(3, slot(handle, found.of_handle.when_ns), number, handle);
    Py_DECREF(number);
    if (entry == NULL)
        return -1;
    none = call_two(found.heappush, slot(wheel, found.of_wheel.overdue), entry);
    Py_DECREF(entry);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

static int add_slot(PyObject *wheel, PyObject *handle, PyObject *number) {
    PyObject *order, *none, *members = PyList_New(1);
    int failed;
    if (members == NULL)
        return -1;
    PyList_SET_ITEM(members, 0, Py_NewRef(handle));
    failed = PyDict_SetItem(slot(wheel, found.of_wheel.slots), number, members);
    Py_DECREF(members);
    if (failed)
        return -1;
    order = slot(wheel, found.of_wheel.order);
    none = call_two(found.heappush, order, number);
    Py_XDECREF(none);
    if (none == NULL)
        return -1;
    if (PyList_GET_SIZE(order) <= 1024) /* _SLOTS_MAX */
        return 0;
    none = PyObject_CallMethodNoArgs(wheel, words.widen);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* Take in a handle whose deadline is `when_ns`: 1 if done, 0 if the Python method has to, or -1. */
static int add_plainly(PyObject *wheel, PyObject *handle, long long when_ns) {
    long long bits, open_slot, number;
    PyObject *key, *members;
    int result;
    if (!is_sound(wheel) || !slot_number(wheel, found.of_wheel.bits, &bits) || bits < 0 || bits > 62
        || !slot_number(wheel, found.of_wheel.open_slot, &open_slot) || slot(wheel, found.of_wheel.numbers) == NULL)
        return 0;
    number = when_ns >> bits;
    key = PyLong_FromLongLong(number);
    if (key == NULL)
        return -1;
    members = PyDict_GetItemWithError(slot(wheel, found.of_wheel.slots), key);
    if (members == NULL && PyErr_Occurred())
        result = -1;
    else if (members != NULL)
        result = PyList_CheckExact(members) ? PyList_Append(members, handle) == 0 ? 1 : -1 : 0;
    else if (number <= open_slot)
        result = add_overdue(wheel, handle) == 0 ? 1 : -1;
    else
        result = add_slot(wheel, handle, key) == 0 ? 1 : -1;
    Py_DECREF(key);
    return result;
}

/* Tell of a deadline, if it is a wheel that tells. */
static int tell(PyObject *wheel, PyObject *handle) {
    PyObject *teller, *none;
    if (Py_TYPE(wheel) != found.telling_wheel.type)
        return 0;
    teller = slot(wheel, found.of_wheel.tell);
    if (teller == NULL || teller == Py_None)
        return 0;
    none = PyObject_CallOneArg(teller, slot(handle, found.of_handle.when_ns));
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

int wheel_add(PyObject *wheel, PyObject *handle, long long when_ns) {
    int done = is_plain_wheel(wheel) ? add_plainly(wheel, handle, when_ns) : 0;
    if (done == 0) {
        PyObject *none = PyObject_CallMethodOneArg(wheel, words.add, handle);
        Py_XDECREF(none);
        return none == NULL ? -1 : 0;
    }
    return done < 0 ? -1 : tell(wheel, handle);
}

static PyObject *add(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    long long when_ns;
    int done = 0;
    if (count == 2 && names == NULL && is_plain_wheel(args[0]) && is_timer(args[1])
        && slot_number(args[1], found.of_handle.when_ns, &when_ns))
        done = add_plainly(args[0], args[1], when_ns);
    if (done == 0)
        return pass_on(door, args, count, names);
    if (done < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *add_and_tell(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    long long when_ns;
    int done = 0;
    if (count == 2 && names == NULL && Py_TYPE(args[0]) == found.telling_wheel.type && is_plain_wheel(args[0])
        && is_timer(args[1]) && slot_number(args[1], found.of_handle.when_ns, &when_ns))
        done = add_plainly(args[0], args[1], when_ns);
    if (done == 0)
        return pass_on(door, args, count, names);
    if (done < 0 || tell(args[0], args[1]) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Handing out -------------------------------------------------------------------------------- */

/* Take the last item of a list, which has one; its reference goes to the caller. */
static PyObject *pop(PyObject *list) {
    Py_ssize_t size = PyList_GET_SIZE(list) - 1;
    PyObject *item = PyList_GET_ITEM(list, size);
    Py_SET_SIZE(list, size);
    return item;
}

/* The parts of an entry of the overdue heap, borrowed; 0 if it is none. */
static int read_entry(PyObject *overdue, PyObject **when_ns, PyObject **handle) {
    PyObject *entry = PyList_GET_ITEM(overdue, 0);
    if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != 3 || !is_timer(PyTuple_GET_ITEM(entry, 2)))
        return 0;
    *when_ns = PyTuple_GET_ITEM(entry, 0);
    *handle = PyTuple_GET_ITEM(entry, 2);
    return PyLong_CheckExact(*when_ns);
}

/* Let a handle that leaves the wheel be scheduled no more. Takes its reference over. */
static int let_go(PyObject *wheel, PyObject *handle, PyObject *ready) {
    int failed;
    set_slot(handle, found.of_handle.scheduled, Py_NewRef(Py_False));
    if (slot(handle, found.of_handle.callback) == Py_None)
        failed = add_to_slot(wheel, found.of_wheel.cancelled_count, -1);
    else if (ready == NULL)
        failed = 0;
    else if (Py_TYPE(ready) == found.deque)
        failed = append(ready, handle);
    else {
        PyObject *none = PyObject_CallMethodOneArg(ready, words.append, handle);
        failed = none == NULL ? -1 : 0;
        Py_XDECREF(none);
    }
    Py_DECREF(handle);
    return failed;
}

/* Take the first entry off the overdue heap, and let its handle go. */
static int pop_overdue(PyObject *wheel, PyObject *overdue, PyObject *ready) {
    PyObject *handle, *entry = PyObject_CallOneArg(found.heappop, overdue);
    if (entry == NULL)
        return -1;
    handle = Py_NewRef(PyTuple_GET_ITEM(entry, 2));
    Py_DECREF(entry);
    return let_go(wheel, handle, ready);
}

/* Drop cancelled handles from the head of the overdue heap: 1, or 0 if it holds what is none, or -1. */
static int drop_overdue(PyObject *wheel, PyObject *overdue) {
    PyObject *when_ns, *handle;
    while (PyList_GET_SIZE(overdue)) {
        if (!read_entry(overdue, &when_ns, &handle))
            return 0;
        if (slot(handle, found.of_handle.callback) != Py_None)
            return 1;
        if (pop_overdue(wheel, overdue, NULL) < 0)
            return -1;
    }
    return 1;
}

/* The first deadline of the open list, once cancelled handles are dropped: borrowed, or NULL if there is
   none; `*state` is 1, or 0 for what the Python method has to do, or -1. */
static PyObject *head_of_open(PyObject *wheel, int *state) {
    PyObject *opened = slot(wheel, found.of_wheel.open), *head = NULL;
    *state = 1;
    Py_INCREF(opened);
    while (PyList_GET_SIZE(opened)) {
        head = PyList_GET_ITEM(opened, PyList_GET_SIZE(opened) - 1);
        if (!is_timer(head) || slot(head, found.of_handle.when_ns) == NULL) {
            *state = 0;
            break;
        }
        if (slot(head, found.of_handle.callback) != Py_None)
            break;
        head = NULL;
        if (let_go(wheel, pop(opened), NULL) < 0) {
            *state = -1;
            break;
        }
    }
    Py_DECREF(opened); /* The wheel's own, or one that a sweep has replaced: then it is empty or asked again. */
    if (*state == 1 && head != NULL && slot(wheel, found.of_wheel.open) != opened)
        *state = 0;
    return *state == 1 && head != NULL ? slot(head, found.of_handle.when_ns) : NULL;
}

static PyObject *next_beside(PyObject *wheel, PyObject *overdue) {
    PyObject *when_ns, *due = NULL, *handle, *none, *order;
    long long first, second, bits;
    int state = drop_overdue(wheel, overdue);
    while (state == 1) {
        when_ns = head_of_open(wheel, &state);
        if (state != 1)
            break;
        if (PyList_GET_SIZE(overdue) && !read_entry(overdue, &due, &handle))
            break;
        if (!PyList_GET_SIZE(overdue))
            due = NULL;
        if (when_ns != NULL) {
            if (due == NULL)
                return Py_NewRef(when_ns);
            return as_number(due, &first) && as_number(when_ns, &second) ? Py_NewRef(first < second ? due : when_ns) : NULL;
        }
        order = slot(wheel, found.of_wheel.order);
        if (PyList_GET_SIZE(order) == 0)
            return Py_NewRef(due == NULL ? found.never : due);
        if (due != NULL) {
            if (!as_number(due, &first) || !slot_number(wheel, found.of_wheel.bits, &bits)
                || !as_number(PyList_GET_ITEM(order, 0), &second))
                break;
            if (first >> bits < second)
                return Py_NewRef(due);
        }
        none = PyObject_CallMethodNoArgs(wheel, words.open_next);
        if (none == NULL)
            break;
        Py_DECREF(none);
        if (!is_sound(wheel) || slot(wheel, found.of_wheel.overdue) != overdue)
            break;
    }
    return NULL;
}

/* The next deadline, as a new reference; NULL without an error if the Python method has to tell it. */
static PyObject *next_plainly(PyObject *wheel) {
    PyObject *overdue = Py_NewRef(slot(wheel, found.of_wheel.overdue)), *when_ns = next_beside(wheel, overdue);
    Py_DECREF(overdue);
    return when_ns;
}

/* The same, asking the Python method where that has to tell it. */
PyObject *wheel_next(PyObject *wheel) {
    PyObject *when_ns = is_plain_wheel(wheel) && is_sound(wheel) ? next_plainly(wheel) : NULL;
    if (when_ns == NULL && !PyErr_Occurred())
        when_ns = PyObject_CallMethod(wheel, "next_ns", NULL);
    return when_ns;
}

/* Append every handle of the deadline `when_ns`: 1 if done, 0 if the Python method has to, or -1. */
static int take_plainly(PyObject *wheel, PyObject *when_ns, PyObject *ready) {
    PyObject *opened = Py_NewRef(slot(wheel, found.of_wheel.open)), *overdue, *due, *handle;
    long long wanted = 0, other;
    int result = as_number(when_ns, &wanted);
    while (result == 1 && PyList_GET_SIZE(opened)) {
        handle = PyList_GET_ITEM(opened, PyList_GET_SIZE(opened) - 1);
        if (!is_timer(handle) || !slot_number(handle, found.of_handle.when_ns, &other))
            result = 0;
        else if (other != wanted)
            break;
        else if (let_go(wheel, pop(opened), ready) < 0)
            result = -1;
    }
    Py_DECREF(opened);
    overdue = Py_NewRef(slot(wheel, found.of_wheel.overdue));
    while (result == 1 && PyList_GET_SIZE(overdue)) {
        if (!read_entry(overdue, &due, &handle) || !as_number(due, &other))
            result = 0;
        else if (other != wanted)
            break;
        else if (pop_overdue(wheel, overdue, ready) < 0)
            result = -1;
    }
    Py_DECREF(overdue);
    return result;
}

int wheel_take(PyObject *wheel, PyObject *when_ns, PyObject *ready) {
    int done = is_plain_wheel(wheel) && is_sound(wheel) ? take_plainly(wheel, when_ns, ready) : 0;
    if (done == 0) {
        PyObject *none = PyObject_CallMethod(wheel, "take", "OO", when_ns, ready);
        Py_XDECREF(none);
        return none == NULL ? -1 : 0;
    }
    return done < 0 ? -1 : 0;
}

int wheel_move_due(PyObject *wheel, PyObject *now_ns, PyObject *ready) {
    for (;;) {
        PyObject *when_ns = wheel_next(wheel);
        int due, failed = 0;
        if (when_ns == NULL)
            return -1;
        due = PyObject_RichCompareBool(when_ns, now_ns, Py_LE);
        if (due > 0)
            failed = wheel_take(wheel, when_ns, ready);
        Py_DECREF(when_ns);
        if (due <= 0 || failed < 0)
            return due < 0 || failed < 0 ? -1 : 0;
    }
}

static PyObject *next_ns(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *when_ns = NULL;
    if (count == 1 && names == NULL && is_plain_wheel(args[0]) && is_sound(args[0]))
        when_ns = next_plainly(args[0]);
    return when_ns != NULL || PyErr_Occurred() ? when_ns : pass_on(door, args, count, names);
}

static PyObject *take(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int done = 0;
    if (count == 3 && names == NULL && is_plain_wheel(args[0]) && is_sound(args[0]))
        done = take_plainly(args[0], args[1], args[2]);
    if (done == 0)
        return pass_on(door, args, count, names);
    return done < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *move_due(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    if (count != 3 || names != NULL || !is_plain_wheel(args[0]) || !PyLong_CheckExact(args[1]))
        return pass_on(door, args, count, names);
    return wheel_move_due(args[0], args[1], args[2]) < 0 ? NULL : Py_NewRef(Py_None);
}

Twin wheel_twin(const char *name) {
    if (strcmp(name, "add") == 0)
        return add;
    if (strcmp(name, "add_and_tell") == 0)
        return add_and_tell;
    if (strcmp(name, "next_ns") == 0)
        return next_ns;
    if (strcmp(name, "take") == 0)
        return take;
    return strcmp(name, "move_due") == 0 ? move_due : NULL;
}
