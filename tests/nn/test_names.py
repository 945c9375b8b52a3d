"""Names of other libraries: what nn and the engine call the same thing."""

import pytest

import engine
import nn


@pytest.mark.parametrize(
    ("module", "name", "advice"),
    [
        (nn, "Linear", r"nn has no 'Linear'; write nn\.Dense"),
        (nn, "ReLU", r"engine\.relu"),
        (nn, "CrossEntropyLoss", r"nn\.cross_entropy"),
        (nn, "Sequental", "nn has no 'Sequental'$"),
        (engine, "sin", r"engine has no 'sin'; .*np\.sin.*engine\.custom_vjp"),
        (engine, "cat", r"engine\.concatenate"),
        (engine, "Tensro", "engine has no 'Tensro'$"),
        (engine, "__no_such__", "engine has no '__no_such__'$"),
    ],
)
def test_a_missing_name_is_refused_with_what_it_is_here(module, name, advice):
    assert not hasattr(module, name)
    with pytest.raises(AttributeError, match=advice) as caught:
        getattr(module, name)
    assert (caught.value.name, caught.value.obj) == (name, module)
