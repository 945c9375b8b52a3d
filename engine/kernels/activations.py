"""`KERNELS`: the kernel of every built-in activation by name.

The table of activations, `engine.activations.builtin`, fills it when the engine is imported.
"""

from engine.kernels.elementwise import Elementwise

KERNELS: dict[str, Elementwise] = {}
