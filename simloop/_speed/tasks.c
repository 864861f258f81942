/* Tasks and futures: making them.

   Owns: the twins of `Tasks.create_future` and `Tasks.create_task` (_loop/core/tasks.py), for a plain
   loop and a task that is given a name at most.

   Must not know: how tasks run.

   Invariants: the classes are those that the module asyncio names when the call is made, as in the
   Python method; a task gets the name that its loop's count gives. */
#include "speed.h"

static PyObject *class_of_asyncio(PyObject *name) {
    PyObject *cls = PyDict_GetItemWithError(PyModule_GetDict(found.asyncio), name);
    if (cls == NULL && !PyErr_Occurred())
        PyErr_SetObject(PyExc_AttributeError, name);
    return cls;
}

/* The time of a loop's kernel, a new reference; NULL with no error if the kernel is not known here. */
static PyObject *time_of(PyObject *loop) {
    PyObject *now_ns = NULL, *kernel = read_attribute(loop, words.kernel);
    if (kernel != NULL && Py_TYPE(kernel) == found.kernel.type)
        now_ns = Py_XNewRef(slot(kernel, found.of_kernel.now_ns));
    Py_XDECREF(kernel);
    return now_ns;
}

static PyObject *create_future(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    static PyObject *by_name;
    PyObject *cls, *future, *now_ns;
    now_ns = count == 1 && names == NULL && Py_TYPE(args[0]) == found.loop ? time_of(args[0]) : NULL;
    if (now_ns == NULL)
        return pass_on(door, args, count, names);
    if (by_name == NULL)
        by_name = PyTuple_Pack(1, words.loop);
    cls = by_name == NULL ? NULL : class_of_asyncio(words.future);
    future = cls == NULL ? NULL : PyObject_Vectorcall(cls, args, 0, by_name);
    if (future != NULL && PyObject_SetAttr(future, words.cancel_message, now_ns) < 0)
        Py_CLEAR(future);
    Py_DECREF(now_ns);
    return future;
}

/* The name that was given, borrowed, or NULL; 0 if the call has more than that. */
static int read_name(PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **name) {
    *name = NULL;
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *word = PyTuple_GET_ITEM(names, i);
        if (PyUnicode_Compare(word, words.name) == 0)
            *name = args[count + i] == Py_None ? NULL : args[count + i];
        else if (PyUnicode_Compare(word, words.context) != 0 || args[count + i] != Py_None)
            return 0;
    }
    return 1;
}

/* The loop's next name for a task; NULL with no error if its count is none. */
static PyObject *next_name(PyObject *loop) {
    PyObject *count = read_attribute(loop, words.task_count);
    long long number;
    int is_number = as_number(count, &number), failed;
    Py_XDECREF(count);
    if (!is_number)
        return NULL;
    count = PyLong_FromLongLong(number + 1);
    failed = count == NULL ? -1 : PyObject_SetAttr(loop, words.task_count, count);
    Py_XDECREF(count);
    return failed ? NULL : PyUnicode_FromFormat("Task-%lld", number + 1);
}

/* Give a task the number that it hashes by. */
static int number_task(PyObject *loop, PyObject *task) {
    PyObject *next = PyObject_GetAttr(loop, words.next_hash), *number = next == NULL ? NULL : PyObject_CallNoArgs(next);
    int failed = number == NULL ? -1 : PyObject_SetAttr(task, words.simloop_hash, number);
    Py_XDECREF(next);
    Py_XDECREF(number);
    return failed;
}

static int makes_plain_tasks(PyObject *loop) {
    PyObject *attributes;
    int result;
    if (Py_TYPE(loop) != found.loop || (attributes = attributes_of(loop)) == NULL)
        return 0;
    result = attribute(attributes, words.closed) == Py_False && attribute(attributes, words.debug) == Py_False
        && attribute(attributes, words.task_factory) == Py_None;
    Py_DECREF(attributes);
    return result;
}

static PyObject *create_task(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    static PyObject *by_name;
    PyObject *name, *cls, *task = NULL;
    if (count != 2 || !makes_plain_tasks(args[0]) || !read_name(args, count, names, &name))
        return pass_on(door, args, count, names);
    if (by_name == NULL && (by_name = PyTuple_Pack(2, words.loop, words.name)) == NULL)
        return NULL;
    name = name == NULL ? next_name(args[0]) : Py_NewRef(name);
    if (name == NULL)
        return PyErr_Occurred() ? NULL : pass_on(door, args, count, names);
    cls = class_of_asyncio(words.task);
    if (cls != NULL) {
        PyObject *all[3] = {args[1], args[0], name};
        task = PyObject_Vectorcall(cls, all, 1, by_name);
    }
    Py_DECREF(name);
    if (task != NULL && found.numbers_tasks && number_task(args[0], task) < 0)
        Py_CLEAR(task);
    return task;
}

Twin tasks_twin(const char *name) {
    if (strcmp(name, "create_future") == 0)
        return create_future;
    return strcmp(name, "create_task") == 0 ? create_task : NULL;
}
