/* Errors: handing what a callback raised to who reports it.

   Owns: the error that is set, taken as `except ... as error` takes it: it is the one that is being
   handled while it is reported, so `sys.exc_info()` and `__context__` know it. And the first entry of
   its traceback, which is that of the Python method: so a traceback has the same text.

   Must not know: who reports, and how. */
#include "speed.h"

#include <frameobject.h>

/* Where a Python method calls the program: found when an error is first reported from there. */
typedef struct {
    PyObject *code, *globals, *last, *line;
} CallSite;

static CallSite sites[SITES];

static int find_site(CallSite *site, Site which) {
    PyObject *found_site = PyObject_CallFunction(found.site_of, "i", (int)which);
    if (found_site == NULL)
        return -1;
    if (!PyArg_ParseTuple(found_site, "O!O!O!O!", &PyCode_Type, &site->code, &PyDict_Type, &site->globals,
            &PyLong_Type, &site->last, &PyLong_Type, &site->line))
        site->code = NULL;
    else {
        Py_INCREF(site->code);
        Py_INCREF(site->globals);
        Py_INCREF(site->last);
        Py_INCREF(site->line);
    }
    Py_DECREF(found_site);
    return site->code == NULL ? -1 : 0;
}

/* Put the entry of a Python method before those of a traceback. */
static int add_entry(PyObject *error, Site which) {
    CallSite *site = &sites[which];
    PyObject *frame, *next, *entry;
    int failed;
    if (site->code == NULL && find_site(site, which) < 0)
        return -1;
    frame = (PyObject *)PyFrame_New(PyThreadState_Get(), (PyCodeObject *)site->code, site->globals, NULL);
    if (frame == NULL)
        return -1;
    next = PyException_GetTraceback(error);
    entry = PyObject_CallFunction((PyObject *)&PyTraceBack_Type, "OOOO", next == NULL ? Py_None : next, frame, site->last, site->line);
    failed = entry == NULL ? -1 : PyException_SetTraceback(error, entry);
    Py_XDECREF(entry);
    Py_XDECREF(next);
    Py_DECREF(frame);
    return failed;
}

PyObject *take_error(void) {
#if PY_VERSION_HEX >= 0x030c0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

void set_error(PyObject *error) {
#if PY_VERSION_HEX >= 0x030c0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

int report_to(PyObject *object, PyObject *method, PyObject *more, Site which) {
    PyObject *error = take_error(), *before, *none;
    if (add_entry(error, which) < 0)
        PyErr_Clear(); /* Without it the traceback begins with the program's own entry. */
    before = PyErr_GetHandledException();
    PyErr_SetHandledException(error);
    PyObject *args[3] = {object, error, more};
    none = PyObject_VectorcallMethod(method, args, more == NULL ? 2 : 3, NULL);
    PyErr_SetHandledException(before);
    Py_XDECREF(before);
    Py_XDECREF(error);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}
