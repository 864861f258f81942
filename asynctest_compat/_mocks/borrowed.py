"""What this package uses of unittest.mock beyond its public names.

Owns: the list. Mocks of ours are mocks of unittest's, so that its functions about signatures, its
records of calls and its lazily built children have to be the same ones. All that a new Python can
break is here; the names are the same from 3.11 to 3.14.
"""

from __future__ import annotations

import unittest.mock
from typing import TYPE_CHECKING, Any

_mock: Any = unittest.mock

#: The types that autospec takes for functions.
FUNCTION_TYPES: tuple[type, ...] = _mock.FunctionTypes

CallList: Any = _mock._CallList
SpecState: Any = _mock._SpecState
# These three are base classes, so that the type checker has to see them.
Base = unittest.mock.Base
PatchDict = unittest.mock._patch_dict
if TYPE_CHECKING:
    Patch = unittest.mock._patch[Any]  # generic in the stubs only
else:
    Patch = unittest.mock._patch

#: spec, as_instance, eat_self -> (function, signature) or None
get_signature_object = _mock._get_signature_object
#: mock, spec -> a function with the spec's signature that calls the mock
set_signature = _mock._set_signature
#: spec, mock, skipfirst, instance: make calls of the mock check the spec's signature
check_signature = _mock._check_signature
#: name, args, kwargs -> "name(1, key=2)"
format_call_signature = _mock._format_call_signature
#: keyword arguments: refuse misspelled ones, such as autospect=
check_spec_typos = _mock._check_spec_arg_typos
#: spec, name, is_type: whether an attribute of a class takes self
must_skip = _mock._must_skip
is_magic = _mock._is_magic
is_callable = _mock._callable
instance_is_callable = _mock._instance_callable
#: "module.name" -> (function that imports the module, "name")
get_target = _mock._get_target
