/* Doors: what stands in a class where a method has a twin in C.

   Owns: the object by which a method is found. To a program it is the Python function: the same name,
   code, signature, documentation and class, since every attribute but its call is that function's. A
   call goes to the twin, which looks at the exact types and hands everything that it does not know on
   to the function. Also the watch over classes whose methods are called past their names, and the
   count of what is left of a turn.

   Must not know: what twins do.

   Invariants: a door binds as a function does, so that `loop.call_soon` is a bound method of it; a
   twin that hands a call on has changed nothing before. */
#include "speed.h"

static PyObject *door_call(PyObject *self, PyObject *const *args, size_t flagged, PyObject *names) {
    Door *door = (Door *)self;
    return door->twin(door, args, PyVectorcall_NARGS(flagged), names);
}

PyObject *pass_on(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    return PyObject_Vectorcall(door->python, args, (size_t)count, names);
}

PyObject *new_door(PyObject *python, Twin twin) {
    Door *door = PyObject_GC_New(Door, &DoorType);
    if (door == NULL)
        return NULL;
    door->vectorcall = door_call;
    door->python = Py_NewRef(python);
    door->twin = twin;
    PyObject_GC_Track(door);
    return (PyObject *)door;
}

static int door_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((Door *)self)->python);
    return 0;
}

static void door_dealloc(PyObject *self) {
    PyObject_GC_UnTrack(self);
    Py_CLEAR(((Door *)self)->python);
    PyObject_GC_Del(self);
}

static PyObject *door_bind(PyObject *self, PyObject *object, PyObject *type) {
    (void)type;
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

static PyObject *door_getattro(PyObject *self, PyObject *name) {
    return PyObject_GetAttr(((Door *)self)->python, name);
}

static int door_setattro(PyObject *self, PyObject *name, PyObject *value) {
    return PyObject_SetAttr(((Door *)self)->python, name, value);
}

static PyObject *door_repr(PyObject *self) { return PyObject_Repr(((Door *)self)->python); }

/* What the function has, for who asks past `__getattribute__`, too. */
static PyObject *door_attribute(PyObject *self, void *name) {
    return PyObject_GetAttrString(((Door *)self)->python, name);
}

#define ATTRIBUTE(name) {name, door_attribute, NULL, NULL, name}

static PyGetSetDef door_attributes[] = {
    ATTRIBUTE("__annotations__"), ATTRIBUTE("__code__"), ATTRIBUTE("__defaults__"), ATTRIBUTE("__doc__"),
    ATTRIBUTE("__globals__"), ATTRIBUTE("__kwdefaults__"), ATTRIBUTE("__module__"), ATTRIBUTE("__name__"),
    ATTRIBUTE("__qualname__"), {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject DoorType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "simloop._speed.Door",
    .tp_basicsize = sizeof(Door),
    .tp_vectorcall_offset = offsetof(Door, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = door_dealloc,
    .tp_traverse = door_traverse,
    .tp_descr_get = door_bind,
    .tp_getattro = door_getattro,
    .tp_setattro = door_setattro,
    .tp_getset = door_attributes,
    .tp_repr = door_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
};

/* Look at a class that was changed: true if every name leads to what it led to at first. */
int read_again(WatchedClass *watched) {
    PyObject *name, *first;
    Py_ssize_t at = 0;
    while (PyDict_Next(watched->found, &at, &name, &first)) {
        PyObject *now = PyObject_GetAttr((PyObject *)watched->type, name);
        Py_XDECREF(now); /* Compared by where it is: the class holds it. */
        if (now == NULL)
            PyErr_Clear();
        if (now != first)
            return 0;
    }
    watched->version = watched->type->tp_version_tag;
    return 1;
}

static PyObject *rest_length_hint(PyObject *self, PyObject *nothing) {
    (void)nothing;
    return PyLong_FromSsize_t(((Rest *)self)->left);
}

static PyMethodDef rest_methods[] = {
    {"__length_hint__", rest_length_hint, METH_NOARGS, "Return how many callbacks of the turn are left."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject RestType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "simloop._speed.Rest",
    .tp_basicsize = sizeof(Rest),
    .tp_doc = "How many callbacks of a turn are left.",
    .tp_methods = rest_methods,
    .tp_new = PyType_GenericNew,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};
