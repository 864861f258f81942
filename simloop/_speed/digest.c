/* The digest's step: one integer for each callback, by the short ways to its label.

   Owns: the twin of the function that `_telling` makes (trace/digest.py), over the same records. What
   has no short way yet is asked of `records.token`, the Python method, which keeps one.

   Must not know: texts, and the hash.

   Invariants: the integers are the same, in the same order. What the Python function takes for "has no
   short way" (an attribute or a key that is not there) is taken so here; any other error is raised. */
#include "speed.h"

#define BATCH 1024
#define SLEPT -4
#define TIMES -(1LL << 40)

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *pending, *names, *places, *token, *flush, *last_ns;
} Step;

static int add(Step *step, PyObject *number) {
    int failed = number == NULL ? -1 : PyList_Append(step->pending, number);
    Py_XDECREF(number);
    return failed;
}

/* Add the time, if it is another one than before. */
static int add_time(Step *step, PyObject *now_ns) {
    long long now, last;
    PyObject *none;
    if (now_ns == step->last_ns)
        return 0;
    if (!as_number(now_ns, &now) || now > (1LL << 62) || now < -(1LL << 62)) {
        PyObject *times = PyLong_FromLongLong(TIMES);
        if (times == NULL)
            return -1;
        int is_same = PyObject_RichCompareBool(now_ns, step->last_ns, Py_EQ);
        int failed = is_same ? -(is_same < 0) : add(step, PyNumber_Subtract(times, now_ns));
        Py_DECREF(times);
        if (is_same || failed)
            return failed;
    } else {
        if (as_number(step->last_ns, &last) && last == now)
            return 0;
        if (add(step, PyLong_FromLongLong(TIMES - now)) < 0)
            return -1;
    }
    Py_SETREF(step->last_ns, Py_NewRef(now_ns));
    if (PyList_GET_SIZE(step->pending) < BATCH)
        return 0;
    none = PyObject_CallNoArgs(step->flush);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* The number of a place that is known by two things, whose references are taken over; borrowed, or NULL. */
static PyObject *number_of_place(Step *step, PyObject *first, PyObject *second) {
    PyObject *key, *number;
    if (first == NULL || second == NULL) {
        Py_XDECREF(first);
        Py_XDECREF(second);
        return NULL;
    }
    key = PyTuple_New(2);
    if (key == NULL) {
        Py_DECREF(first);
        Py_DECREF(second);
        return NULL;
    }
    PyTuple_SET_ITEM(key, 0, first);
    PyTuple_SET_ITEM(key, 1, second);
    number = PyDict_GetItemWithError(step->places, key);
    Py_DECREF(key);
    return number;
}

/* The integer of a step of a task; NULL, with or without an error, if there is no short way. */
static PyObject *of_task(Step *step, PyObject *task) {
    PyObject *coro, *name, *place = NULL, *number = NULL, *made = PyObject_GetAttr(task, words.made);
    int is_made = made == NULL ? -1 : PyObject_IsTrue(made);
    long long of_name, of_place;
    Py_XDECREF(made);
    if (is_made <= 0 || !found.offers_instructions)
        return NULL;
    coro = PyObject_CallMethodNoArgs(task, words.get_coro);
    if (coro == NULL || !PyCoro_CheckExact(coro)) {
        Py_XDECREF(coro);
        return NULL;
    }
    place = number_of_place(step, PyObject_GetAttr(coro, words.qualname),
        PyLong_FromSize_t(((size_t *)coro)[found.instruction_word]));
    Py_XINCREF(place);
    Py_DECREF(coro);
    if (place == NULL)
        return NULL;
    name = PyObject_CallMethodNoArgs(task, words.get_name);
    if (name != NULL) {
        number = PyDict_GetItemWithError(step->names, name);
        if (as_number(number, &of_name) && as_number(place, &of_place))
            number = PyLong_FromLongLong(of_name + of_place);
        else
            number = NULL;
        Py_DECREF(name);
    }
    Py_DECREF(place);
    return number;
}

static PyObject *of_function(Step *step, PyObject *function) {
    PyFunctionObject *plain = (PyFunctionObject *)function;
    PyObject *module = plain->func_module == NULL ? Py_None : plain->func_module;
    return Py_XNewRef(number_of_place(step, Py_XNewRef(plain->func_qualname), Py_NewRef(module)));
}

/* The integer of a step, as a new reference; NULL, with or without an error, if there is no short way. */
static PyObject *short_way(Step *step, PyObject *callback) {
    PyTypeObject *kind = Py_TYPE(callback);
    PyObject *owner, *number = NULL;
    int is_task_kind = PyDict_Contains(found.task_kinds, (PyObject *)kind);
    if (is_task_kind < 0)
        return NULL;
    if (is_task_kind) {
        owner = PyObject_GetAttr(callback, words.self);
        if (owner != NULL && Py_TYPE(owner) == found.task)
            number = of_task(step, owner);
        Py_XDECREF(owner);
        return number;
    }
    if (callback == found.sleep_ends)
        return PyLong_FromLong(SLEPT);
    if (kind == &PyMethod_Type)
        callback = PyMethod_GET_FUNCTION(callback);
    return PyFunction_Check(callback) ? of_function(step, callback) : NULL;
}

PyObject *tell_step(PyObject *self, PyObject *now_ns, PyObject *handle) {
    Step *step = (Step *)self;
    PyObject *number, *callback;
    if (add_time(step, now_ns) < 0)
        return NULL;
    callback = Py_XNewRef(slot(handle, found.of_handle.callback));
    if (callback == NULL)
        return PyErr_Format(PyExc_AttributeError, "_callback");
    number = short_way(step, callback);
    if (number == NULL && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError) && !PyErr_ExceptionMatches(PyExc_LookupError)) {
            Py_DECREF(callback);
            return NULL;
        }
        PyErr_Clear();
    }
    if (number == NULL)
        number = PyObject_CallOneArg(step->token, callback);
    Py_DECREF(callback);
    return add(step, number) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *step_call(PyObject *self, PyObject *const *args, size_t flagged, PyObject *names) {
    if (PyVectorcall_NARGS(flagged) != 2 || (names != NULL && PyTuple_GET_SIZE(names)))
        return PyErr_Format(PyExc_TypeError, "step() takes a time and a handle");
    if (!PyObject_TypeCheck(args[1], found.handle.type) && !PyObject_TypeCheck(args[1], found.timer_handle.type))
        return PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute '_callback'", Py_TYPE(args[1])->tp_name);
    return tell_step(self, args[0], args[1]);
}

static int step_traverse(PyObject *self, visitproc visit, void *arg) {
    Step *step = (Step *)self;
    Py_VISIT(step->pending);
    Py_VISIT(step->names);
    Py_VISIT(step->places);
    Py_VISIT(step->token);
    Py_VISIT(step->flush);
    return 0;
}

static int step_clear(PyObject *self) {
    Step *step = (Step *)self;
    Py_CLEAR(step->pending);
    Py_CLEAR(step->names);
    Py_CLEAR(step->places);
    Py_CLEAR(step->token);
    Py_CLEAR(step->flush);
    Py_CLEAR(step->last_ns);
    return 0;
}

static void step_dealloc(PyObject *self) {
    PyObject_GC_UnTrack(self);
    step_clear(self);
    PyObject_GC_Del(self);
}

PyTypeObject StepType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "simloop._speed.Step",
    .tp_basicsize = sizeof(Step),
    .tp_vectorcall_offset = offsetof(Step, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = step_dealloc,
    .tp_traverse = step_traverse,
    .tp_clear = step_clear,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
};

/* telling(records): the function that adds a step to them. */
PyObject *telling(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    Step *step;
    (void)module;
    if (count != 1)
        return PyErr_Format(PyExc_TypeError, "telling(records)");
    step = PyObject_GC_New(Step, &StepType);
    if (step == NULL)
        return NULL;
    step->vectorcall = step_call;
    step->pending = PyObject_GetAttr(args[0], words.pending);
    step->names = PyObject_GetAttr(args[0], words.names);
    step->places = PyObject_GetAttr(args[0], words.places);
    step->token = PyObject_GetAttr(args[0], words.token);
    step->flush = PyObject_GetAttr(args[0], words.flush);
    step->last_ns = PyLong_FromLong(-1);
    PyObject_GC_Track(step);
    if (step->token == NULL || step->flush == NULL || step->last_ns == NULL || step->pending == NULL
        || step->names == NULL || step->places == NULL) {
        Py_DECREF(step);
        return NULL;
    }
    if (!PyList_CheckExact(step->pending) || !PyDict_CheckExact(step->names) || !PyDict_CheckExact(step->places)) {
        Py_DECREF(step);
        return PyErr_Format(PyExc_TypeError, "telling(): the records of a digest were expected");
    }
    return (PyObject *)step;
}
