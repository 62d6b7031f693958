"""Where settings come from: flags, ``ECR_EMULATOR_*`` variables, and a settings file in TOML."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ecr_emulator import setting_values as values
from ecr_emulator.config import SettingError, Settings, checked

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same parser under its older name
    import tomli as tomllib

ENV_PREFIX = "ECR_EMULATOR_"
CONFIG_VARIABLE = ENV_PREFIX + "CONFIG"
DEFAULT_CONFIG_FILE = "ecr-emulator.toml"


def flag_name(name: str) -> str:
    """Return the command-line flag of the setting *name*."""
    return "--" + name.replace("_", "-")


def variable_name(name: str) -> str:
    """Return the environment variable of the setting *name*."""
    return ENV_PREFIX + name.upper()


def load_settings(
    flags: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    config_file: str | None = None,
) -> Settings:
    """Put the settings together: a flag wins over a variable, a variable over the file.

    :param flags: values by setting name; ``None`` means that the flag was not given.
    :param environ: the environment; the process's own when left out. An empty variable counts
        as unset, as compose files and CI systems cannot always leave one out.
    :param config_file: the settings file given by flag. Without it the file named by
        ``ECR_EMULATOR_CONFIG`` is read, else ``ecr-emulator.toml`` of the working directory, if
        there is one.
    :raises SettingError: if a value from any of the three cannot be used, or the file cannot be
        read or holds an unknown key.
    """
    env: Mapping[str, str] = os.environ if environ is None else environ
    path, named_by = _config_path(config_file, env)
    in_file = {} if path is None else _read_file(path, named_by)
    chosen: dict[str, Any] = {}
    for item in fields(Settings):
        name = item.name
        variable = variable_name(name)
        if flags.get(name) is not None:
            chosen[name] = checked(item, flags[name], source=f" ({flag_name(name)})")
        elif env.get(variable):
            chosen[name] = checked(item, env[variable], source=f" ({variable})")
        elif name in in_file:
            chosen[name] = checked(item, in_file[name], source=f" (key {name} of {path})")
    return Settings(**chosen)


def _config_path(given: str | None, env: Mapping[str, str]) -> tuple[Path | None, str]:
    if given is not None:
        return Path(given), "--config"
    if env.get(CONFIG_VARIABLE):
        return Path(env[CONFIG_VARIABLE]), CONFIG_VARIABLE
    default = Path(DEFAULT_CONFIG_FILE)
    return (default, "the working directory") if default.is_file() else (None, "")


def _read_file(path: Path, named_by: str) -> dict[str, object]:
    """Return the keys of the settings file, every one of them a setting's name."""
    try:
        with path.open("rb") as stream:
            content = tomllib.load(stream)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingError(f"settings file {path} ({named_by}): {reason}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fault = " ".join(str(error).split())
        raise SettingError(f"settings file {path} ({named_by}): not TOML: {fault}") from None
    known = [item.name for item in fields(Settings)]
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingError(f"settings file {path}: unknown key {values.shown(key)}{hint}")
    return content
