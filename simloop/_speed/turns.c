/* Turns: running what is ready, and jumping when nothing is.

   Owns: the twins of `Kernel._turns` and `Kernel.jump` (_kernel/kernel.py) and, of a run that one
   observer watches, `turns_with_sole_observer` (_kernel/watched_turns.py). Every other watched turn is
   the Python method's.

   Must not know: what callbacks do.

   Invariants:

   - A handle and its callback live as long as the variables of the Python method hold them: until the
     next ones are there, so that what is freed with them is freed at the same moment.
   - The frame by which others know that a turn runs, and how many of its callbacks are left, is the
     caller's, a Python function with the variable `rest`. */
#include "speed.h"

/* What the variables of the Python methods hold. */
typedef struct {
    PyObject *kernel, *stopper, *ready, *io_ready, *overdue, *limits;
    Rest *rest;
    PyObject *handle, *callback, *args;
    Site site;
} Turns;

static void forget(Turns *turns) {
    Py_CLEAR(turns->handle);
    Py_CLEAR(turns->callback);
    Py_CLEAR(turns->args);
}

/* Errors ------------------------------------------------------------------------------------- */

/* Leave the rest of a turn, counted already, to the next run; an error that is set stays set. */
static void break_off(Turns *turns) {
    PyObject *error = take_error(), *left = PyLong_FromSsize_t(turns->rest->left);
    if (left == NULL)
        PyErr_Clear();
    else {
        set_slot(turns->kernel, found.of_kernel.left, left);
        if (add_to_slot(turns->kernel, found.of_kernel.steps, -turns->rest->left) < 0)
            PyErr_Clear();
    }
    set_error(error);
}

static int ends_run(void) {
    return PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
}

/* One callback ------------------------------------------------------------------------------- */

static int is_handle(PyObject *handle) {
    return PyObject_TypeCheck(handle, found.handle.type) || PyObject_TypeCheck(handle, found.timer_handle.type);
}

/* Call the callback of a handle in its context. */
static PyObject *run(PyObject *handle, PyObject *callback, PyObject *args) {
    PyObject *context = slot(handle, found.of_handle.context), *result;
    if (context == NULL || !PyContext_CheckExact(context) || args == NULL || !PyTuple_CheckExact(args)) {
        PyObject *both[2] = {handle, callback};
        return PyObject_Vectorcall(found.run_handle, both, 2, NULL);
    }
    Py_INCREF(context);
    Py_INCREF(args);
    if (PyContext_Enter(context) < 0)
        result = NULL;
    else {
        result = PyObject_Vectorcall(callback, ((PyTupleObject *)args)->ob_item, (size_t)PyTuple_GET_SIZE(args), NULL);
        if (PyContext_Exit(context) < 0)
            Py_CLEAR(result);
    }
    Py_DECREF(args);
    Py_DECREF(context);
    return result;
}

/* Take the next handle. 1: it is to run; 0: it was cancelled; -1: an error. */
static int take(Turns *turns) {
    PyObject *handle = popleft(turns->ready), *callback;
    if (handle == NULL)
        return -1;
    turns->rest->left--;
    if (!is_handle(handle)) {
        PyErr_Format(PyExc_TypeError, "%R is ready, and no handle", handle);
        Py_DECREF(handle);
        return -1;
    }
    Py_XSETREF(turns->handle, handle);
    callback = slot(handle, found.of_handle.callback);
    if (callback == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_callback");
        return -1;
    }
    Py_INCREF(callback);
    Py_XSETREF(turns->callback, callback);
    if (callback != Py_None)
        return 1;
    return add_to_slot(turns->kernel, found.of_kernel.steps, -1);
}

/* Run the handle that was taken. 0: it ran, well or not; -1: the run ends; -2: a report failed. */
static int run_taken(Turns *turns, PyObject *args) {
    PyObject *handle = turns->handle, *result = run(handle, turns->callback, args), *none;
    if (result == Py_None) {
        Py_DECREF(result);
        return 0;
    }
    if (result == NULL) {
        if (ends_run())
            return -1;
        return report_to(handle, words.report, NULL, turns->site) < 0 ? -2 : 0;
    }
    none = PyObject_CallMethodOneArg(handle, words.returned, result);
    Py_DECREF(result);
    Py_XDECREF(none);
    return none == NULL ? -2 : 0;
}

/* Turns -------------------------------------------------------------------------------------- */

static int is_stopping(PyObject *stopper) {
    PyObject *value = Py_TYPE(stopper) == found.loop ? read_attribute(stopper, words.stopping) : NULL;
    int result;
    if (value == NULL)
        value = PyObject_GetAttr(stopper, words.stopping);
    result = value == NULL ? -1 : value == Py_False ? 0 : PyObject_IsTrue(value);
    Py_XDECREF(value);
    return result;
}

/* Move the clock: 1 if it did, 0 if there is nothing to move it to, -1 for an error. */
static int jump_by_name(PyObject *kernel) {
    PyObject *has_jumped = PyObject_CallMethodNoArgs(kernel, words.jump);
    int result;
    if (has_jumped == NULL)
        return -1;
    result = PyObject_IsTrue(has_jumped);
    Py_DECREF(has_jumped);
    return result;
}

/* Count steps as taken if no limit is near: 1; else 0. */
static int count_steps(Turns *turns, Py_ssize_t count, int *failed) {
    long long steps, check_at;
    PyObject *sum;
    if (!slot_number(turns->kernel, found.of_kernel.steps, &steps)
        || !slot_number(turns->limits, found.of_limits.check_at, &check_at) || steps + count > check_at)
        return 0;
    sum = PyLong_FromLongLong(steps + count);
    *failed = sum == NULL;
    if (sum != NULL)
        set_slot(turns->kernel, found.of_kernel.steps, sum);
    return 1;
}

/* The same, asking for leave where a limit is near; returns how many may run. */
static Py_ssize_t grant(Turns *turns, Py_ssize_t count) {
    PyObject *number, *granted;
    int failed = 0;
    if (count_steps(turns, count, &failed))
        return failed ? -1 : count;
    number = PyLong_FromSsize_t(count);
    if (number == NULL)
        return -1;
    PyObject *args[3] = {turns->limits, turns->kernel, number};
    granted = PyObject_VectorcallMethod(words.grant, args, 3, NULL);
    Py_DECREF(number);
    if (granted == NULL)
        return -1;
    count = PyLong_AsSsize_t(granted);
    Py_DECREF(granted);
    return count < 0 && !PyErr_Occurred() ? 0 : count;
}

/* A plain turn of `count` callbacks. */
static int run_plainly(Turns *turns, Py_ssize_t count) {
    turns->rest->left = count;
    while (turns->rest->left > 0) {
        int state = take(turns);
        if (state > 0)
            state = run_taken(turns, slot(turns->handle, found.of_handle.args));
        if (state == -1 && turns->callback != NULL && ends_run()) {
            break_off(turns);
            return -1;
        }
        if (state < 0)
            return -1;
    }
    return 0;
}

/* A turn whose callbacks are told to the one observer. 1: it is over; 0: another observer is there now. */
static int run_told(Turns *turns, Py_ssize_t count, PyObject *tell) {
    turns->rest->left = count;
    while (turns->rest->left > 0) {
        PyObject *none, *now_ns;
        int state = take(turns);
        if (state < 0) {
            break_off(turns);
            return -1;
        }
        Py_XSETREF(turns->args, Py_XNewRef(slot(turns->handle, found.of_handle.args)));
        if (state == 0)
            continue;
        now_ns = Py_NewRef(slot(turns->kernel, found.of_kernel.now_ns));
        if (Py_TYPE(tell) == &StepType)
            none = tell_step(tell, now_ns, turns->handle);
        else {
            PyObject *args[2] = {now_ns, turns->handle};
            none = PyObject_Vectorcall(tell, args, 2, NULL);
        }
        Py_DECREF(now_ns);
        Py_XDECREF(none);
        if (none == NULL || run_taken(turns, turns->args) < 0) {
            break_off(turns);
            return -1;
        }
        if (slot(turns->kernel, found.of_kernel.sole_observer) != tell)
            break;
    }
    return slot(turns->kernel, found.of_kernel.sole_observer) == tell;
}

/* Observe the rest of a turn by the Python method. */
static int observe_rest(Turns *turns) {
    PyObject *none, *left = PyLong_FromSsize_t(turns->rest->left);
    if (left == NULL)
        return -1;
    turns->rest->left = 0;
    none = PyObject_CallMethodOneArg(turns->kernel, words.turn_observed, left);
    Py_DECREF(left);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

static int turns_with_sole_observer(Turns *turns, Py_ssize_t count, PyObject *tell) {
    for (;;) {
        int state = run_told(turns, count, tell), failed = 0;
        long long left;
        if (state < 0)
            return -1;
        if (state == 0)
            return observe_rest(turns);
        state = is_stopping(turns->stopper);
        if (state != 0)
            return state < 0 ? -1 : 0;
        if (!slot_number(turns->kernel, found.of_kernel.left, &left) || left || Py_SIZE(turns->io_ready)
            || PyList_GET_SIZE(turns->overdue))
            return 0;
        if (!Py_SIZE(turns->ready)) {
            forget(turns);
            state = jump_by_name(turns->kernel);
            if (state <= 0)
                return state;
        }
        count = Py_SIZE(turns->ready);
        if (!count_steps(turns, count, &failed))
            return 0;
        if (failed)
            return -1;
    }
}

/* A turn of a run that is watched. */
static int run_watched(Turns *turns, Py_ssize_t count) {
    PyObject *tell = slot(turns->kernel, found.of_kernel.sole_observer), *number, *none;
    int failed;
    if (tell != NULL && tell != Py_None) {
        set_slot(turns->kernel, found.of_kernel.is_observed, Py_NewRef(Py_True));
        Py_INCREF(tell);
        turns->site = TOLD_TURN;
        enter_frame(); /* _turn_watched */
        enter_frame(); /* turns_with_sole_observer */
        failed = turns_with_sole_observer(turns, count, tell);
        forget(turns);
        leave_frame();
        leave_frame();
        turns->site = PLAIN_TURN;
        Py_DECREF(tell);
        set_slot(turns->kernel, found.of_kernel.is_observed, Py_NewRef(Py_False));
        return failed;
    }
    number = PyLong_FromSsize_t(count);
    if (number == NULL)
        return -1;
    PyObject *args[3] = {turns->kernel, number, turns->stopper};
    none = PyObject_VectorcallMethod(words.turn_watched, args, 3, NULL);
    Py_DECREF(number);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* Line up what has arrived and what is due. */
static int line_up(Turns *turns) {
    PyObject *wheel, *now_ns, *first;
    int due, failed;
    while (Py_SIZE(turns->io_ready)) {
        PyObject *handle = popleft(turns->io_ready);
        if (handle == NULL || append(turns->ready, handle) < 0) {
            Py_XDECREF(handle);
            return -1;
        }
        Py_DECREF(handle);
    }
    if (!PyList_GET_SIZE(turns->overdue))
        return 0;
    first = PyList_GET_ITEM(turns->overdue, 0);
    now_ns = slot(turns->kernel, found.of_kernel.now_ns);
    due = PyTuple_Check(first) && PyTuple_GET_SIZE(first) ? PyObject_RichCompareBool(PyTuple_GET_ITEM(first, 0), now_ns, Py_LE) : 0;
    if (due <= 0)
        return due;
    wheel = Py_NewRef(slot(turns->kernel, found.of_kernel.wheel));
    Py_INCREF(now_ns);
    if (is_plain_wheel(wheel))
        failed = wheel_move_due(wheel, now_ns, turns->ready);
    else {
        PyObject *args[3] = {wheel, now_ns, turns->ready}, *none = PyObject_VectorcallMethod(words.move_due, args, 3, NULL);
        failed = none == NULL ? -1 : 0;
        Py_XDECREF(none);
    }
    Py_DECREF(now_ns);
    Py_DECREF(wheel);
    return failed;
}

/* Begin a turn: how many callbacks it has. -1: an error; -2: the loop stops; -3: nothing may run. */
static Py_ssize_t begin(Turns *turns) {
    long long left;
    int state;
    if (slot_number(turns->kernel, found.of_kernel.left, &left) && left > 0) {
        set_slot(turns->kernel, found.of_kernel.left, PyLong_FromLong(0));
        return (Py_ssize_t)left;
    }
    if (line_up(turns) < 0)
        return -1;
    if (Py_SIZE(turns->ready))
        return Py_SIZE(turns->ready);
    state = is_stopping(turns->stopper);
    if (state)
        return state < 0 ? -1 : -2;
    forget(turns);
    state = jump_by_name(turns->kernel);
    if (state <= 0)
        return state < 0 ? -1 : -3;
    return Py_SIZE(turns->ready);
}

/* Handle signals, which callbacks in C alone would not let through: now and then will do. */
static int let_signals_through(unsigned int *passed) { return ++*passed % 16 ? 0 : PyErr_CheckSignals(); }

static PyObject *go_on(Turns *turns) {
    unsigned int passed = 0;
    for (;;) {
        Py_ssize_t count = begin(turns);
        PyObject *watched;
        int state;
        if (count < 0)
            return count == -1 ? NULL : Py_NewRef(count == -2 ? Py_True : Py_False);
        count = grant(turns, count);
        if (count < 0)
            return NULL;
        watched = slot(turns->kernel, found.of_kernel.watched);
        if (watched == Py_False)
            state = run_plainly(turns, count);
        else
            state = run_watched(turns, count);
        if (state == 0)
            state = is_stopping(turns->stopper);
        if (state == 0)
            state = let_signals_through(&passed);
        if (state)
            return state < 0 ? NULL : Py_NewRef(Py_True);
    }
}

/* run_turns(kernel, loop, rest): as Kernel._turns; None if the kernel is not one that is known here. */
PyObject *run_turns(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    Turns turns = {0};
    PyObject *kernel, *wheel, *result;
    (void)module;
    if (count != 3 || Py_TYPE(args[2]) != &RestType) {
        PyErr_SetString(PyExc_TypeError, "run_turns(kernel, loop, rest)");
        return NULL;
    }
    kernel = args[0];
    if (Py_TYPE(kernel) != found.kernel.type || !is_as_found(&found.kernel))
        Py_RETURN_NONE;
    wheel = slot(kernel, found.of_kernel.wheel);
    turns = (Turns){.kernel = kernel, .stopper = args[1], .rest = (Rest *)args[2],
        .ready = slot(kernel, found.of_kernel.ready), .io_ready = slot(kernel, found.of_kernel.io_ready),
        .limits = slot(kernel, found.of_kernel.limits)};
    if (wheel == NULL || !PyObject_TypeCheck(wheel, found.wheel.type) || turns.ready == NULL
        || Py_TYPE(turns.ready) != found.deque || turns.io_ready == NULL || Py_TYPE(turns.io_ready) != found.deque
        || turns.limits == NULL || Py_TYPE(turns.limits) != found.limits || slot(kernel, found.of_kernel.now_ns) == NULL)
        Py_RETURN_NONE;
    turns.overdue = slot(wheel, found.of_wheel.overdue);
    if (turns.overdue == NULL || !PyList_CheckExact(turns.overdue))
        Py_RETURN_NONE;
    Py_INCREF(turns.ready);
    Py_INCREF(turns.io_ready);
    Py_INCREF(turns.limits);
    Py_INCREF(turns.overdue);
    result = go_on(&turns);
    forget(&turns);
    Py_DECREF(turns.overdue);
    Py_DECREF(turns.limits);
    Py_DECREF(turns.io_ready);
    Py_DECREF(turns.ready);
    return result;
}

/* The jump ----------------------------------------------------------------------------------- */

/* Jump to `when_ns`, or take what is due: 1; 0 if that is beyond the horizon; -1 for an error. */
static int jump_to(PyObject *kernel, PyObject *wheel, PyObject *when_ns) {
    PyObject *ready = Py_NewRef(slot(kernel, found.of_kernel.ready)), *now_ns = slot(kernel, found.of_kernel.now_ns);
    int state = PyObject_RichCompareBool(when_ns, now_ns, Py_LE);
    if (state > 0) {
        Py_INCREF(now_ns);
        state = wheel_move_due(wheel, now_ns, ready) < 0 ? -1 : 1;
        Py_DECREF(now_ns);
    } else if (state == 0) {
        state = PyObject_RichCompareBool(when_ns, slot(kernel, found.of_kernel.horizon_ns), Py_GT);
        if (state == 0) {
            set_slot(kernel, found.of_kernel.now_ns, Py_NewRef(when_ns));
            state = wheel_take(wheel, when_ns, ready) < 0 ? -1 : 1;
        } else if (state > 0)
            state = 0;
    }
    Py_DECREF(ready);
    return state;
}

static PyObject *jump(Door *door, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *kernel, *before, *wheel, *when_ns;
    int state;
    if (count != 1 || names != NULL || Py_TYPE(args[0]) != found.kernel.type)
        return pass_on(door, args, count, names);
    kernel = args[0];
    before = slot(kernel, found.of_kernel.before_jump);
    wheel = slot(kernel, found.of_kernel.wheel);
    if (before == NULL || before != Py_None || wheel == NULL || !is_plain_wheel(wheel)
        || slot(kernel, found.of_kernel.ready) == NULL || slot(kernel, found.of_kernel.now_ns) == NULL
        || slot(kernel, found.of_kernel.horizon_ns) == NULL)
        return pass_on(door, args, count, names);
    Py_INCREF(wheel);
    when_ns = wheel_next(wheel);
    state = when_ns == NULL ? -1 : jump_to(kernel, wheel, when_ns);
    Py_XDECREF(when_ns);
    Py_DECREF(wheel);
    return state < 0 ? NULL : Py_NewRef(state ? Py_True : Py_False);
}

Twin turns_twin(const char *name) { return strcmp(name, "jump") == 0 ? jump : NULL; }
