"""The table of descriptors against a dictionary."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simloop.net import DescriptorTable
from simloop.net.files.open_file import File


class Descriptors(RuleBasedStateMachine):
    """Numbers are the lowest free ones, and a file lives as long as a number names it."""

    def __init__(self):
        super().__init__()
        self.table = DescriptorTable(base=100)
        self.model = {}

    def lowest(self):
        return next(number for number in range(100, 1000) if number not in self.model)

    @rule(count=st.integers(1, 4))
    def open(self, count):
        for _ in range(count):
            file = File()
            expected = self.lowest()
            assert self.table.add(file) == expected
            self.model[expected] = file

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def double(self, data):
        file = self.table.get(data.draw(st.sampled_from(list(self.model))))
        expected = self.lowest()
        assert self.table.add(file) == expected
        self.model[expected] = file

    @precondition(lambda self: self.model)
    @rule(data=st.data(), fd=st.integers(98, 130))
    def put(self, data, fd):
        file = self.table.get(data.draw(st.sampled_from(list(self.model))))
        before = self.model.get(fd)
        if fd < 100:
            with pytest.raises(OSError, match="Bad file descriptor"):
                self.table.put(fd, file)
            return
        self.table.put(fd, file)
        self.model[fd] = file
        for each in (file, before):
            if each is not None:
                assert each.references == list(self.model.values()).count(each)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def close(self, data):
        fd = data.draw(st.sampled_from(list(self.model)))
        self.table.close(fd)
        file = self.model.pop(fd)
        assert file.references == list(self.model.values()).count(file)

    @rule(fd=st.integers(90, 130))
    def close_what_is_not_open(self, fd):
        if fd not in self.model:
            with pytest.raises(OSError, match="Bad file descriptor"):
                self.table.close(fd)

    @invariant()
    def check(self):
        self.table.check()
        assert self.table.numbers() == sorted(self.model)
        assert len(self.table) == len(self.model)


Descriptors.TestCase.settings = settings(max_examples=60, deadline=None)
TestDescriptors = Descriptors.TestCase
