/* Handles: making one, and cancelling it.

   Owns: the twin of `TimerHandle.cancel` (_kernel/handles.py), and what the constructors of handles
   do, for the files that make handles.

   Must not know: where handles wait.

   Invariants: a handle that is made here is of exactly the class that Python code would have made,
   with the same slots set. A class whose constructor was replaced is called as any other. */
#include "speed.h"

static PyObject *make(PyTypeObject *type, PyObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *context) {
    PyObject *handle, *all = PyTuple_New(count);
    if (all == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++)
        PyTuple_SET_ITEM(all, i, Py_NewRef(args[i]));
    context = context == NULL ? PyContext_CopyCurrent() : Py_NewRef(context);
    handle = context == NULL ? NULL : type->tp_alloc(type, 0);
    if (handle == NULL) {
        Py_DECREF(all);
        Py_XDECREF(context);
        return NULL;
    }
    set_slot(handle, found.of_handle.callback, Py_NewRef(callback));
    set_slot(handle, found.of_handle.args, all);
    set_slot(handle, found.of_handle.context, context);
    set_slot(handle, found.of_handle.loop, Py_NewRef(loop));
    return handle;
}

PyObject *new_handle(PyObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *context) {
    return make(found.handle.type, loop, callback, args, count, context);
}

PyObject *new_timer(PyObject *loop, long long when_ns, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *context) {
    PyObject *when, *handle = make(found.timer_handle.type, loop, callback, args, count, context);
    if (handle == NULL)
        return NULL;
    when = PyLong_FromLongLong(when_ns);
    if (when == NULL) {
        Py_DECREF(handle);
        return NULL;
    }
    set_slot(handle, found.of_handle.when_ns, when);
    set_slot(handle, found.of_handle.scheduled, Py_NewRef(Py_True));
    return handle;
}

static void forget(PyObject *handle) {
    set_slot(handle, found.of_handle.callback, Py_NewRef(Py_None));
    set_slot(handle, found.of_handle.args, Py_NewRef(Py_None));
}

/* Let a wheel, whose reference is taken over, count one cancelled handle more. */
static PyObject *count_cancelled(PyObject *wheel) {
    long long cancelled, most;
    PyObject *result = NULL;
    if (!PyObject_TypeCheck(wheel, found.wheel.type) || !slot_number(wheel, found.of_wheel.cancelled_count, &cancelled)
        || !slot_number(wheel, found.of_wheel.cancelled_max, &most))
        PyErr_SetString(PyExc_TypeError, "the timers of the loop are in no wheel");
    else if (add_to_slot(wheel, found.of_wheel.cancelled_count, 1) == 0)
        result = cancelled + 1 < most ? Py_NewRef(Py_None) : PyObject_CallMethodNoArgs(wheel, words.sweep);
    Py_DECREF(wheel);
    return result;
}

static PyObject *cancel(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *handle, *loop, *wheel, *scheduled;
    if (count != 1 || names != NULL || Py_TYPE(args[0]) != found.timer_handle.type)
        return pass_on(door, args, count, names);
    handle = args[0];
    loop = slot(handle, found.of_handle.loop);
    scheduled = slot(handle, found.of_handle.scheduled);
    if (slot(handle, found.of_handle.callback) == Py_None)
        Py_RETURN_NONE;
    if (scheduled == Py_False) {
        forget(handle);
        Py_RETURN_NONE;
    }
    if (scheduled != Py_True || loop == NULL || Py_TYPE(loop) != found.loop)
        return pass_on(door, args, count, names);
    forget(handle);
    /* Freeing what was to be called may have run code of the program, so all is looked at now. */
    if (slot(handle, found.of_handle.scheduled) != Py_True)
        Py_RETURN_NONE;
    loop = slot(handle, found.of_handle.loop);
    wheel = loop == NULL ? PyErr_Format(PyExc_AttributeError, "_loop") : PyObject_GetAttr(loop, words.wheel);
    return wheel == NULL ? NULL : count_cancelled(wheel);
}

Twin handle_twin(const char *name) { return strcmp(name, "cancel") == 0 ? cancel : NULL; }
