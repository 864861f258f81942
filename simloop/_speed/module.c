/* The extension module: what the installing module in Python asks of this folder.

   Owns: finding the slots of the classes that it is shown, and the names of the twins.
   Must not know: which method gets which twin; that is __init__.py's table.

   Invariants: nothing is installed here. A class that is laid out otherwise than expected is a
   TypeError, and the engine stays pure. */
#include "speed.h"

Found found;
Words words;

static int make_words(void) {
    static const struct { PyObject **word; const char *text; } all[] = {
        {&words.add, "add"}, {&words.append, "append"}, {&words.cancel_message, "_cancel_message"},
        {&words.closed, "_closed"}, {&words.context, "context"}, {&words.data_received, "data_received"}, {&words.debug, "_debug"}, {&words.fatal_error, "_fatal_error"}, {&words.flush, "flush"}, {&words.future, "Future"},
        {&words.get_coro, "get_coro"}, {&words.get_name, "get_name"}, {&words.grant, "grant"},
        {&words.jump, "jump"}, {&words.kernel, "_kernel"}, {&words.loop, "loop"}, {&words.made, "_simloop_made"},
        {&words.move_due, "move_due"}, {&words.name, "name"}, {&words.names, "names"},
        {&words.next_hash, "_next_hash"}, {&words.reads, "_reads"}, {&words.receive, "_receive"}, {&words.room_made, "room_made"}, {&words.wake, "_wake"}, {&words.ready, "_ready"},
        {&words.task_count, "_task_count"}, {&words.task_factory, "_task_factory"}, {&words.wheel, "_wheel"},
        {&words.open_next, "_open_next"}, {&words.pending, "pending"}, {&words.places, "places"},
        {&words.qualname, "__qualname__"}, {&words.report, "_report"}, {&words.returned, "_returned"},
        {&words.self, "__self__"}, {&words.simloop_hash, "_simloop_hash"}, {&words.stopping, "_stopping"},
        {&words.sweep, "sweep"}, {&words.task, "Task"}, {&words.token, "token"},
        {&words.turn_observed, "_turn_observed"}, {&words.turn_watched, "_turn_watched"},
        {&words.widen, "_widen"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((*all[i].word = PyUnicode_InternFromString(all[i].text)) == NULL)
            return -1;
    return 0;
}

/* Where a class keeps a slot; -1 if it has none of that name. */
static Py_ssize_t offset_of(PyTypeObject *type, const char *name) {
    PyObject *member = PyObject_GetAttrString((PyObject *)type, name);
    Py_ssize_t offset = -1;
    if (member == NULL)
        return -1;
    if (Py_TYPE(member) == &PyMemberDescr_Type && ((PyMemberDescrObject *)member)->d_member->type == T_OBJECT_EX)
        offset = ((PyMemberDescrObject *)member)->d_member->offset;
    else
        PyErr_Format(PyExc_TypeError, "%s.%s is no slot", type->tp_name, name);
    Py_DECREF(member);
    return offset;
}

typedef struct {
    const char *name;
    Py_ssize_t *offset;
} SlotRow;

static int find_slots(PyTypeObject *type, const SlotRow *rows) {
    for (; rows->name != NULL; rows++)
        if ((*rows->offset = offset_of(type, rows->name)) < 0)
            return -1;
    return 0;
}

static int find_all_slots(void) {
    const SlotRow handle[] = {{"_callback", &found.of_handle.callback}, {"_args", &found.of_handle.args},
        {"_context", &found.of_handle.context}, {"_loop", &found.of_handle.loop}, {NULL, NULL}};
    const SlotRow timer[] = {{"_when_ns", &found.of_handle.when_ns}, {"_scheduled", &found.of_handle.scheduled},
        {NULL, NULL}};
    const SlotRow kernel[] = {{"now_ns", &found.of_kernel.now_ns}, {"shown_ns", &found.of_kernel.shown_ns},
        {"shown_s", &found.of_kernel.shown_s}, {"ready", &found.of_kernel.ready},
        {"io_ready", &found.of_kernel.io_ready}, {"wheel", &found.of_kernel.wheel},
        {"limits", &found.of_kernel.limits}, {"steps", &found.of_kernel.steps},
        {"horizon_ns", &found.of_kernel.horizon_ns}, {"before_jump", &found.of_kernel.before_jump},
        {"_watched", &found.of_kernel.watched}, {"is_observed", &found.of_kernel.is_observed},
        {"_sole_observer", &found.of_kernel.sole_observer}, {"_left", &found.of_kernel.left}, {NULL, NULL}};
    const SlotRow wheel[] = {{"_bits", &found.of_wheel.bits}, {"_never", &found.of_wheel.never},
        {"_numbers", &found.of_wheel.numbers}, {"_open", &found.of_wheel.open},
        {"_open_slot", &found.of_wheel.open_slot}, {"_order", &found.of_wheel.order},
        {"_slots", &found.of_wheel.slots}, {"cancelled_count", &found.of_wheel.cancelled_count},
        {"cancelled_max", &found.of_wheel.cancelled_max}, {"overdue", &found.of_wheel.overdue},
        {"tell", &found.of_wheel.tell}, {NULL, NULL}};
    const SlotRow transport[] = {{"_file", &found.of_transport.file}, {"_is_flowing", &found.of_transport.is_flowing},
        {"_is_awake", &found.of_transport.is_awake}, {"_is_reading", &found.of_transport.is_reading},
        {"_io_ready", &found.of_transport.io_ready}, {"_read_handle", &found.of_transport.read_handle},
        {"_protocol", &found.of_transport.protocol}, {NULL, NULL}};
    const SlotRow stream[] = {{"direct", &found.of_stream.direct}, {"fabric", &found.of_stream.fabric},
        {"peer", &found.of_stream.peer}, {"inbox", &found.of_stream.inbox}, {"window", &found.of_stream.window},
        {"on_readable", &found.of_stream.on_readable}, {"blocked", &found.of_stream.blocked},
        {"is_shut_read", &found.of_stream.is_shut_read}, {NULL, NULL}};
    const SlotRow queue[] = {{"chunks", &found.of_queue.chunks}, {"head", &found.of_queue.head},
        {"size", &found.of_queue.size}, {NULL, NULL}};
    const SlotRow fabric[] = {{"direct", &found.of_fabric.direct}, {NULL, NULL}};
    const SlotRow limits[] = {{"check_at", &found.of_limits.check_at}, {NULL, NULL}};
    return find_slots(found.handle.type, handle) < 0 || find_slots(found.timer_handle.type, handle) < 0
        || find_slots(found.timer_handle.type, timer) < 0 || find_slots(found.kernel.type, kernel) < 0
        || find_slots(found.wheel.type, wheel) < 0
        || find_slots(found.limits, limits) < 0 || find_slots(found.stream_transport, transport) < 0
        || find_slots(found.unix_transport, transport) < 0 || find_slots(found.datagram_transport, transport) < 0
        || find_slots(found.stream_socket, stream) < 0 || find_slots(found.byte_queue, queue) < 0
        || find_slots(found.fabric, fabric) < 0 ? -1 : 0;
}

/* The function in C behind a method of a class in C. */
static PyCFunction function_of(PyTypeObject *type, const char *name, int flags) {
    PyObject *method = PyObject_GetAttrString((PyObject *)type, name);
    PyCFunction function = NULL;
    if (method != NULL && Py_TYPE(method) == &PyMethodDescr_Type && ((PyMethodDescrObject *)method)->d_method->ml_flags == flags)
        function = ((PyMethodDescrObject *)method)->d_method->ml_meth;
    else if (method != NULL)
        PyErr_Format(PyExc_TypeError, "%s.%s is another function", type->tp_name, name);
    Py_XDECREF(method);
    return function;
}

static PyObject *borrow(PyObject *things, const char *name) {
    PyObject *thing = PyDict_GetItemString(things, name);
    if (thing == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_KeyError, name);
    return thing;
}

static int find_class(PyObject *things, const char *name, PyTypeObject **type) {
    PyObject *thing = borrow(things, name);
    if (thing == NULL || !PyType_Check(thing)) {
        if (thing != NULL)
            PyErr_Format(PyExc_TypeError, "%s is no class", name);
        return -1;
    }
    *type = (PyTypeObject *)Py_NewRef(thing);
    return 0;
}

static int find_object(PyObject *things, const char *name, PyObject **object) {
    *object = Py_XNewRef(borrow(things, name));
    return *object == NULL ? -1 : 0;
}

/* find(things): take note of the classes and functions, which have the names of the pure engine. */
static PyObject *find(PyObject *module, PyObject *things) {
    PyObject *word;
    (void)module;
    if (!PyDict_Check(things))
        return PyErr_Format(PyExc_TypeError, "find(): a dictionary was expected");
    if (find_class(things, "Handle", &found.handle.type) < 0 || find_class(things, "TimerHandle", &found.timer_handle.type) < 0
        || find_class(things, "Kernel", &found.kernel.type) < 0 || find_class(things, "TimerWheel", &found.wheel.type) < 0
        || find_class(things, "TellingWheel", &found.telling_wheel.type) < 0 || find_class(things, "SimLoop", &found.loop) < 0
        || find_class(things, "Limits", &found.limits) < 0 || find_class(things, "deque", &found.deque) < 0
        || find_class(things, "repeat", &found.repeat) < 0 || find_class(things, "Task", &found.task) < 0
        || find_class(things, "StreamTransport", &found.stream_transport) < 0
        || find_class(things, "UnixStreamTransport", &found.unix_transport) < 0
        || find_class(things, "DatagramTransport", &found.datagram_transport) < 0
        || find_class(things, "StreamSocket", &found.stream_socket) < 0
        || find_class(things, "ByteQueue", &found.byte_queue) < 0 || find_class(things, "Fabric", &found.fabric) < 0
        || find_object(things, "heappush", &found.heappush) < 0 || find_object(things, "heappop", &found.heappop) < 0
        || find_object(things, "asyncio", &found.asyncio) < 0 || find_object(things, "NEVER", &found.never) < 0
        || find_object(things, "sleep_ends", &found.sleep_ends) < 0 || find_object(things, "task_kinds", &found.task_kinds) < 0
        || find_object(things, "run_handle", &found.run_handle) < 0
        || find_object(things, "site_of", &found.site_of) < 0
        || find_object(things, "data_received_failed", &found.data_received_failed) < 0 || find_all_slots() < 0)
        return NULL;
    word = borrow(things, "instruction_word");
    if (word == NULL)
        return NULL;
    found.offers_instructions = word != Py_None;
    found.instruction_word = word == Py_None ? 0 : PyLong_AsSsize_t(word);
    word = borrow(things, "numbers_tasks");
    found.numbers_tasks = word == Py_True;
    found.append = function_of(found.deque, "append", METH_O);
    found.popleft = found.append == NULL ? NULL : function_of(found.deque, "popleft", METH_NOARGS);
    if (found.popleft == NULL || PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* watch(class, found): from now on, methods of that class are called past these names while they stay. */
static PyObject *watch(PyObject *module, PyObject *args) {
    PyObject *names;
    PyTypeObject *type;
    WatchedClass *all[] = {&found.handle, &found.timer_handle, &found.kernel, &found.wheel, &found.telling_wheel};
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!:watch", &PyType_Type, &type, &PyDict_Type, &names))
        return NULL;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->type == type) {
            Py_XSETREF(all[i]->found, Py_NewRef(names));
            all[i]->version = 0;
            return PyBool_FromLong(read_again(all[i]));
        }
    return PyErr_Format(PyExc_ValueError, "%R is not watched", type);
}

/* door(function, twin): what stands in a class in the place of a function that has a twin. */
static PyObject *door(PyObject *module, PyObject *args) {
    static Twin (*const by_name[])(const char *) = {handle_twin, scheduling_twin, tasks_twin, wheel_twin, turns_twin, streams_twin};
    PyObject *function;
    const char *name;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!s:door", &PyFunction_Type, &function, &name))
        return NULL;
    for (size_t i = 0; i < sizeof by_name / sizeof *by_name; i++) {
        Twin twin = by_name[i](name);
        if (twin != NULL)
            return new_door(function, twin);
    }
    return PyErr_Format(PyExc_LookupError, "no twin of that name: %s", name);
}

static PyMethodDef functions[] = {
    {"find", find, METH_O, "Take note of the engine's classes."},
    {"watch", watch, METH_VARARGS, "Call methods of a class past their names while they stay."},
    {"door", door, METH_VARARGS, "Make what stands in a class for a function and its twin."},
    {"run_turns", (PyCFunction)(void (*)(void))run_turns, METH_FASTCALL, "Run turns of a kernel."},
    {"telling", (PyCFunction)(void (*)(void))telling, METH_FASTCALL, "Make the function that adds a step to a digest."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "simloop._speed.twins",
    .m_doc = "Twins in C of the engine's hottest methods.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_twins(void) {
    PyObject *module;
    if (PyType_Ready(&DoorType) < 0 || PyType_Ready(&RestType) < 0 || PyType_Ready(&StepType) < 0 || make_words() < 0)
        return NULL;
    module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddObjectRef(module, "Rest", (PyObject *)&RestType) < 0)
        Py_CLEAR(module);
    return module;
}
