"""timm, also where torchvision is not installed: timm imports it for its transforms, the networks do not need it."""
import enum
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

from torch import nn

INTERPOLATIONS = "NEAREST BILINEAR BICUBIC BOX HAMMING LANCZOS".split()


class EmptyModule(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "InterpolationMode":
            return enum.Enum(name, {key: key.lower() for key in INTERPOLATIONS})
        return type(name, (nn.Module,), {})


class Missing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return EmptyModule(spec.name)

    def exec_module(self, module):
        pass


if importlib.util.find_spec("torchvision") is None:
    sys.meta_path.append(Missing())
import timm  # noqa: E402, F401
