"""An asyncio controller in an FMU, and a master that simulates the tank that it controls.

pythonfmu packs this file as a co-simulation FMU of FMI 2. The master below loads it as any tool
would, through the C interface of its shared library, and steps it every ten seconds. In between,
the controller lives by its own timers: it polls its gauge, and holds the valve open for a while.
When that happened, and when it will act next, comes back as outputs:

    python examples/fmi_valve.py
"""

from __future__ import annotations

import asyncio
import ctypes
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from pythonfmu import Fmi2Causality, Fmi2Slave, Fmi2Variability, FmuBuilder, Integer, Real

import simloop
from simloop.embed.fmi import CoSimulation

LEVEL, OPEN, SWITCHED_AT, NEXT_EVENT = range(4)
STEP_S = 10.0


class Valve(Fmi2Slave):
    """The controller: what is FMI about it, and the asyncio program."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.level = self.switched_at = self.next_event = 0.0
        self.is_open = 0
        output = {"causality": Fmi2Causality.output}
        self.register_variable(Real("level", causality=Fmi2Causality.input))
        discrete = {"variability": Fmi2Variability.discrete}
        self.register_variable(Integer("is_open", **output, **discrete))
        self.register_variable(Real("switched_at", **output))
        self.register_variable(Real("next_event", **output))

    async def control(self) -> None:
        """Look every seven seconds; if there is much in the tank, open for 45 seconds."""
        while True:
            await asyncio.sleep(7)
            if self.level > 2.0:
                self.switch(1)
                await asyncio.sleep(45)
                self.switch(0)

    def switch(self, position: int) -> None:
        self.is_open = position
        self.switched_at = self.loop.time()
        self.model.signal_event()

    def exit_initialization_mode(self) -> None:
        self.loop = simloop.SimLoop(seed=1)
        self.model = CoSimulation(self.loop)
        self.task = self.loop.create_task(self.control())

    def do_step(self, current_time: float, step_size: float) -> bool:
        self.next_event = self.model.do_step(current_time, step_size).next_event_time
        return True

    def terminate(self) -> None:
        self.task.cancel()
        self.loop.run_ready()
        self.loop.close()


class Callbacks(ctypes.Structure):
    """What a master gives an FMU; this one wants no logs and lends no memory."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("log", "allocate", "free", "done", "master")]


class Fmu:
    """An FMU of FMI 2, loaded from its folder."""

    def __init__(self, folder: Path) -> None:
        guid = re.search(r'guid="(.*?)"', (folder / "modelDescription.xml").read_text())
        assert guid is not None
        self.library = ctypes.CDLL(str(next(folder.glob("binaries/linux64/*.so"))))
        self.library.fmi2Instantiate.restype = ctypes.c_void_p
        self.callbacks = Callbacks()
        where = (folder / "resources").as_uri().encode()
        handle = self.library.fmi2Instantiate(
            b"valve", 1, guid[1].encode(), where, ctypes.byref(self.callbacks), 0, 0
        )
        self.instance = ctypes.c_void_p(handle)

    def call(self, name: str, *args: Any) -> None:
        """Call one function of the interface, with floats as doubles."""
        doubles = [ctypes.c_double(arg) if isinstance(arg, float) else arg for arg in args]
        status = getattr(self.library, "fmi2" + name)(self.instance, *doubles)
        assert status == 0, (name, status)

    def get(self, kind: str, ctype: Any, reference: int) -> Any:
        """Read one output."""
        value = ctype()
        one, number = ctypes.c_size_t(1), ctypes.c_uint(reference)
        self.call(f"Get{kind}", ctypes.byref(number), one, ctypes.byref(value))
        return value.value

    def set_real(self, reference: int, value: float) -> None:
        """Write one input."""
        one, number = ctypes.c_size_t(1), ctypes.c_uint(reference)
        self.call("SetReal", ctypes.byref(number), one, ctypes.byref(ctypes.c_double(value)))


def simulate(fmu: Fmu, until: float) -> None:
    """Be the master: a tank that fills, and empties while the valve is open."""
    fmu.call("SetupExperiment", 0, 0.0, 0.0, 0, 0.0)
    fmu.call("EnterInitializationMode")
    fmu.call("ExitInitializationMode")
    now, level, before = 0.0, 1.0, 0
    while now < until:
        fmu.set_real(LEVEL, level)
        fmu.call("DoStep", now, STEP_S, 1)
        now += STEP_S
        is_open = fmu.get("Integer", ctypes.c_int, OPEN)
        level += 0.1 - 0.4 * is_open
        if is_open != before:
            at = fmu.get("Real", ctypes.c_double, SWITCHED_AT)
            due = fmu.get("Real", ctypes.c_double, NEXT_EVENT)
            what = "opened" if is_open else "closed"
            print(f"step to {now:3.0f} s: {what} at {at:3.0f} s, next event at {due:3.0f} s")
        before = is_open
    print(f"level {level:.1f} at {now:.0f} s")
    fmu.call("Terminate")
    fmu.library.fmi2FreeInstance(fmu.instance)


def main() -> None:
    """Build the FMU, unpack it and run five minutes."""
    with tempfile.TemporaryDirectory() as folder:
        packed = FmuBuilder.build_FMU(__file__, dest=folder)
        unpacked = Path(folder) / "unpacked"
        zipfile.ZipFile(packed).extractall(unpacked)
        simulate(Fmu(unpacked), until=300.0)


if __name__ == "__main__":
    main()
