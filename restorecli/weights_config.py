"""Frozen config dataclasses from JSON, strictly: no unknown key, no missing one, no wrong type.

JSON has lists where a config has tuples, at any depth; the annotations of the dataclass say which
is which. Ints, floats, bools, strings, literals, optional values and tuples are known; nothing else
belongs in a config.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

from restorecli.errors import WeightsError


def read_config(config_class: Any, values: Mapping[str, Any], subject: str) -> Any:  # noqa: ANN401
    """Build a config from what JSON gave.

    Args:
        config_class: A dataclass.
        values: One value a field, lists for tuples.
        subject: What messages begin with: the file's name.

    Returns:
        An instance of `config_class`.

    Raises:
        WeightsError: A key is unknown, missing, of the wrong type, or refused by the dataclass.
    """
    assert dataclasses.is_dataclass(config_class), "a network class names its config_class"
    hints = typing.get_type_hints(config_class)
    names = [field.name for field in dataclasses.fields(config_class)]
    for key in sorted(values.keys() - set(names)):
        raise WeightsError(
            f"{subject}: unknown config key {key!r}. It was written by another version."
        )
    for key in names:
        if key not in values:
            raise WeightsError(
                f"{subject}: lacks the config key {key!r}. It was written by another version."
            )
    try:
        fields = {key: _value(hints[key], values[key], key) for key in names}
        return config_class(**fields)  # type: ignore[operator]  # a class, not an instance
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"{subject}: impossible config ({error}). Reinstall the package."
        ) from error


def _value(hint: Any, value: Any, key: str) -> Any:  # noqa: ANN401
    """Turn one JSON value into what the annotation asks for, or raise TypeError naming the key."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        return _tuple(arguments, value, key)
    if origin in (Union, types.UnionType) and type(None) in arguments:
        if value is None:
            return None
        (only,) = (argument for argument in arguments if argument is not type(None))
        return _value(only, value, key)
    if origin is Literal and value in arguments:
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint in (int, bool, str) and type(value) is hint:
        return value
    raise TypeError(f"key {key!r} is {value!r}, expected {hint}")


def _tuple(arguments: tuple[Any, ...], value: list[Any], key: str) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_value(arguments[0], item, key) for item in value)
    if len(arguments) != len(value):
        raise TypeError(f"key {key!r} has {len(value)} values, expected {len(arguments)}")
    return tuple(_value(hint, item, key) for hint, item in zip(arguments, value, strict=True))
