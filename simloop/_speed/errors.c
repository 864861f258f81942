/* Errors: handing what a callback raised to who reports it.

   Owns: the error that is set, taken as `except ... as error` takes it: it is the one that is being
   handled while it is reported, so `sys.exc_info()` and `__context__` know it.

   Must not know: who reports, and how. */
#include "speed.h"

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

int report_to(PyObject *object, PyObject *method, PyObject *more) {
    PyFrameObject *frame = PyEval_GetFrame();
    PyObject *error, *before, *none;
    if (frame != NULL)
        PyTraceBack_Here(frame);
    error = take_error();
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
