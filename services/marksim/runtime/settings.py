"""Settings of a service: flags, then environment, then a YAML file, then defaults.

The class itself reads nothing from outside, so a test may build one with plain arguments; `load_settings` gathers the
sources and knows which of them said what, so that it can name the wrong one.
"""

import argparse
import difflib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, NoReturn, TypeVar, get_origin

import yaml
from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from marksim.runtime.ports import check_peer

Port = Annotated[int, Field(ge=0, le=65_535)]
"""A TCP port; 0 lets the system choose a free one."""

EXIT_USAGE: Final = 2
"""Exit code when the way of starting is at fault: a wrong setting, a port in use."""

MAX_FILE_BYTES: Final = 1 << 20
"""Largest --config file; a chart's have some hundred bytes."""

_LISTS: Final = (list, tuple, set, frozenset)
# A quote opens where YAML lets one: at the start of a value. `it's` has none.
_QUOTED: Final = re.compile(r"""(?<![^=:,\[{(\s])("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""", re.DOTALL)


class ServiceSettings(BaseSettings):
    """What every service has. Lists are written `a,b`, mappings `a=b,c=d`; in brackets or quotes a comma does not split."""

    # Complex values stay text here and are split below, so that a list is written alike in a flag and in the environment.
    # Text that looks like a number, such as a speed, is one to YAML: in a file it needs no quotes.
    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, enable_decoding=False, protected_namespaces=(), coerce_numbers_to_str=True
    )

    positional: ClassVar[str] = ""
    """Name of the one field that may be given without its flag: `run quiet` for `run --scenario quiet`."""

    host: str = Field("", description="address to bind; empty means 127.0.0.1 and ::1, 0.0.0.0 or :: all addresses")
    grpc_port: Port = Field(0, description="port of the gRPC server; 0 means any free one")
    http_port: Port = Field(9090, description="port of /metrics, /healthz and /readyz; 0 means any free one")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    log_format: Literal["auto", "human", "json"] = Field("auto", description="auto: human on a terminal, else json")
    grace_s: float = Field(4.0, ge=0, le=3_600, description="seconds that work is given to finish after SIGTERM")

    @field_validator("*", mode="before")
    @classmethod
    def split_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Split the text of a list or mapping; every other value passes as it is."""
        origin = get_origin(cls.model_fields[info.field_name].annotation) if info.field_name else None
        if not isinstance(value, str) or origin not in (*_LISTS, dict):
            return value
        parts = split_list(value)
        if origin is not dict:
            return parts
        if wrong := next((part for part in parts if "=" not in part), None):
            raise ValueError(f"{wrong!r} is not written name=value")
        return {key.strip(): text.strip() for key, _, text in (part.partition("=") for part in parts)}

    @field_validator("orderbook", check_fields=False)
    @classmethod
    def orderbooks_are_addresses(cls, value: list[str]) -> list[str]:
        """Of every service that calls order books: it would wait for one that cannot be for ever."""
        for address in value:
            check_peer(address)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments: `HOST` in somebody's shell is not meant for us."""
        return (init_settings,)


def split_list(text: str) -> list[str]:
    """The parts between commas, without blanks and empty ones: `a={x: 1, y: 2},b="c, d"` has two.

    A JSON list of texts is one as it is; `join_list` writes it where nothing else would keep a part whole.
    """
    if text.lstrip().startswith('["'):
        try:
            return [str(part) for part in json.loads(text)]
        except ValueError:
            pass
    parts, depth, position = [""], 0, 0
    while position < len(text):
        quoted = _QUOTED.match(text, position)
        piece = quoted[0] if quoted else text[position]
        position += len(piece)
        depth += (piece in "[{(") - (piece in "]})")
        if piece == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def join_list(parts: Sequence[str]) -> str:
    """The text that `split_list` takes apart into exactly these."""
    text = ",".join(parts)
    return text if split_list(text) == list(parts) else json.dumps(list(parts))


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
Complain = Callable[[str], NoReturn]


def load_settings(cls: type[SettingsT], service: str, argv: Sequence[str] | None = None) -> SettingsT:
    """The settings of `service` from `argv` (default: the process's), the environment and `--config`.

    A wrong one ends the process: one line on stderr that names it, exit code 2.
    """

    def complain(message: str) -> NoReturn:
        sys.stderr.write(f"marksim {service}: {message}\n")
        raise SystemExit(EXIT_USAGE)

    prefix = env_prefix(service)
    flags = _read_flags(cls, service, argv, complain)
    config = flags.pop("config", None) or os.environ.get(f"{prefix}CONFIG")
    layers = {
        "file": _read_file(cls, config, complain) if config else {},
        "environment": _read_environment(cls, prefix, complain),
        "flag": flags,
    }
    merged = {name: value for layer in layers.values() for name, value in layer.items()}
    try:
        return cls(**merged)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        origin = next((kind for kind in reversed(layers) if field in layers[kind]), "flag")
        said_by = {"flag": flag_of(field), "environment": prefix + field.upper(), "file": f"{field} in {config}"}[origin]
        reason = first["msg"].removeprefix("Value error, ")
        value = f" {merged[field]!r}" if field in merged else ""
        complain(f"{said_by}{value} is wrong: {reason[:1].lower()}{reason[1:]} (see --help)")


def env_prefix(service: str) -> str:
    """What the service's environment variables begin with."""
    return f"MARKSIM_{service.upper().replace('-', '_')}__"


def flag_of(field: str) -> str:
    """The flag of a field: `grpc_port` is `--grpc-port`."""
    return "--" + field.replace("_", "-")


def _read_flags(cls: type[ServiceSettings], service: str, argv: Sequence[str] | None, complain: Complain) -> dict[str, Any]:
    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            complain(f"{message} (see --help)")

    prefix = env_prefix(service)
    example = next((name for name in cls.model_fields if name.endswith("port")), "log_level")
    parser = Parser(
        prog=f"python -m marksim.{service}",
        description=f"The {service} service of marksim.",
        epilog=(f"{cls.positional.upper()} may stand without its flag. " if cls.positional else "")
        + f"Each may also be set in the environment ({prefix}{example.upper()}=...) or in the --config file"
        f" ({example}: ...).",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file of settings")
    for name, field in cls.model_fields.items():
        if field.annotation is bool:
            parser.add_argument(flag_of(name), action=argparse.BooleanOptionalAction, help=_help(field))
        elif get_origin(field.annotation) in _LISTS:
            # Given again it adds to what was given before.
            parser.add_argument(flag_of(name), metavar="VALUE", action="append", help=_help(field))
        else:
            parser.add_argument(flag_of(name), metavar="VALUE", help=_help(field))
    known, unknown = parser.parse_known_args(argv)
    flags = vars(known)
    if cls.positional and unknown and not unknown[0].startswith("-"):
        if cls.positional in flags:
            both = f"as {flags[cls.positional]} and as {unknown[0]}"
            complain(f"{flag_of(cls.positional)} is given twice, {both}: leave one out")
        flags[cls.positional] = unknown.pop(0)
    if unknown:
        options = [flag_of(name) for name in ("config", *cls.model_fields)]
        complain(f"{unknown[0]} is not a setting{_suggest(unknown[0].partition('=')[0], options)} (see --help)")
    for name, given in flags.items():
        if isinstance(given, list):
            flags[name] = given[0] if len(given) == 1 else [part for text in given for part in split_list(text)]
    return flags


def _help(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Mapping):
        default = ",".join(f"{key}={value}" for key, value in default.items())
    elif isinstance(default, list | tuple):
        default = ",".join(map(str, default))
    shown = f" (default: {default})" if default not in ("", None) else ""
    return f"{field.description or ''}{shown}".strip().replace("%", "%%")


def _read_environment(cls: type[ServiceSettings], prefix: str, complain: Complain) -> dict[str, Any]:
    known = {prefix + name.upper() for name in ("config", *cls.model_fields)}
    for variable in sorted(os.environ):
        if variable.startswith(prefix) and variable not in known:
            complain(f"{variable} in the environment is not a setting{_suggest(variable, sorted(known))}")
    return dict(EnvSettingsSource(cls, env_prefix=prefix)())


def _read_file(cls: type[ServiceSettings], path: str, complain: Complain) -> dict[str, Any]:
    try:
        # A pipe or a device may have no end, and no first byte either.
        if Path(path).exists() and not Path(path).is_file():
            complain(f"--config {path} cannot be read: it is not a regular file")
        with Path(path).open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            complain(f"--config {path} cannot be read: it has more than {MAX_FILE_BYTES} bytes")
        content = yaml.safe_load(text.decode("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # a ValueError also of a date that is none, such as 2025-02-30
        complain(f"--config {path} cannot be read: {' '.join(str(error).split())}")
    if content is None:
        return {}
    if not isinstance(content, dict):
        complain(f"--config {path} must hold a mapping of settings, such as `grpc_port: 50051`")
    values = {str(key).replace("-", "_"): value for key, value in content.items()}
    for name in values:
        if name not in cls.model_fields:
            complain(f"{name} in {path} is not a setting{_suggest(name, list(cls.model_fields))}")
    return values


def _suggest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""
