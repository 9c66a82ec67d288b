"""Settings shared by all models, and the command-line flags made from them.

A model's settings are one frozen dataclass (see `Settings`); a setting is written once, with
`setting(default, meaning)`, and everything else (the flag, its help, the check of its choices, its
place in config.json) follows from that line. Nothing here imports TensorFlow: flags are checked
before it loads.
"""

import contextlib
import dataclasses
import difflib
import io
import math
import numbers
import os
import pathlib
import shlex
import signal
import sys
import types

from absl import app, flags, logging

from keras_infogan.untrusted import printable

# TensorFlow counts, and draws seeds, in 64 bits.
_LARGEST_INTEGER = 2**63 - 1


class UserError(Exception):
    """A mistake the user can mend: one sentence with what was expected, what was
    received and what to do.
    """


def setting(default, meaning, choices=None, minimum=None, maximum=None):
    """Declares one setting: its default, its meaning with its unit, and the values it accepts
    (`choices`, or an inclusive range).
    """
    return dataclasses.field(
        default=default,
        metadata={"meaning": meaning, "choices": choices, "minimum": minimum, "maximum": maximum},
    )


class UnfinishedError(Exception):
    """What was begun did not end, nothing is lost, and the same command continues it: one sentence,
    and the status that tells a scheduler so.
    """

    def __init__(self, sentence, status=75):  # EX_TEMPFAIL of sysexits.h: not now, try again
        super().__init__(sentence)
        self.status = status


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that every model has; each model's own settings extend it.

    Beside its settings a model's class states:
      title, paper: the model's name for people, and its source.
      reads: what training takes of a batch, names of `datasets.batches`: "image", and "label" where
        it learns from labels.
      num_classes: how many classes it learns from labels, 0 where it does not.
      latent_spec: the LatentSpec of what it generates from and encodes to.
      binarization: "fixed" where training images are made black and white once, beforehand.
      places: settings that say where data lies on this machine, which is no part of what a run is.
      stabilizers: flags of it that help where training diverges, as a person would write them.
      retired: settings of earlier versions, a dict from name to what to do instead.
    """

    title = paper = ""
    reads = ("image",)
    num_classes = 0
    binarization = ""
    places = ()
    stabilizers = ()
    retired = types.MappingProxyType({})

    steps: int = setting(5000, "training steps, one batch of real images each", minimum=1)
    batch_size: int = setting(
        128, "global batch size in images, over all devices together", minimum=2
    )
    seed: int = setting(
        0,
        "seed of the weights, the latents and the order of the data",
        minimum=0,
        maximum=2**31 - 1,
    )
    precision: str = setting(
        "float32",
        "Keras dtype policy of the networks",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    log_every_steps: int = setting(
        10, "steps between two lines of metrics.jsonl, each the mean since the last", minimum=1
    )
    picture_every_steps: int = setting(500, "steps between two sets of pictures", minimum=1)
    checkpoint_every_steps: int = setting(500, "steps between two checkpoints", minimum=1)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            check_setting(field, value)
            kind = field.type
            assert isinstance(kind, type)
            object.__setattr__(self, field.name, kind(value))  # of a numpy number, Python's

    def for_images(self, image_shape):
        """Returns the settings with what was left open filled in for images of
        (height, width, channels); raises UserError if they do not fit.
        """
        return self

    @classmethod
    def from_json(cls, content):
        """Returns the settings in a config.json of this version or an earlier one.

        Raises:
          UserError: for a setting that is not known.
        """
        unknown = content.keys() - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise UserError(
                f"{cls.title} has no setting {min(unknown)!r} here; update keras-infogan to the "
                "version that wrote this run."
            )
        return cls(**content)


def check_setting(field, value):
    """Raises UserError unless `value` is one that the dataclass field accepts."""
    accepted = {int: numbers.Integral, float: numbers.Real}.get(field.type, field.type)
    if not isinstance(value, accepted) or (isinstance(value, bool) and field.type is not bool):
        raise UserError(f"--{field.name}: expected {field.type.__name__}, received {value!r}.")
    choices, minimum, maximum = (field.metadata[key] for key in ("choices", "minimum", "maximum"))
    if choices and value not in choices:
        raise UserError(
            f"--{field.name} must be one of {', '.join(choices)}, not "
            f"{value!r}{did_you_mean(value, choices)}."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{field.name} must be a finite number, not {value}.")
    if minimum is not None and value < minimum:
        raise UserError(f"--{field.name} must be at least {minimum}, not {value}.")
    if maximum is None and field.type is int:
        maximum = _LARGEST_INTEGER
    if maximum is not None and value > maximum:
        raise UserError(f"--{field.name} must be at most {maximum}, not {value}.")


def did_you_mean(name, known):
    """Returns `"; did you mean X?"`-style text for the nearest of `known`, or an empty string."""
    nearest = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""


_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    bool: flags.DEFINE_bool,
}
# Flags of the command that is running: old names, and names of which a sentence says why they
# are no flags of it.
_renamed, _refused = {}, {}


def define_flags(fields):
    """Defines one absl flag per setting, given as dataclass fields, without a default: a flag that
    is not given leaves what the preset says.
    """
    for field in fields:
        _DEFINE[field.type](
            field.name,
            None,
            f"{meaning(field)}; default {field.default!r} unless the preset says otherwise.",
        )


def meaning(field):
    """Returns what a setting means, and its choices, for --help."""
    choices = f" ({' | '.join(field.metadata['choices'])})" if field.metadata["choices"] else ""
    return field.metadata["meaning"] + choices


def rename_flag(old, new):
    """Lets a flag be given under its old name too, with a word about the new one."""
    flags.DEFINE_alias(old, new)
    _renamed[old] = new


def refuse_flags(reasons):
    """Says why flags that people may give are none of this command: a dict from name to what
    follows it in a sentence.
    """
    _refused.update(reasons)


def flag_given(name, default, arguments=None):
    """Returns the value of a flag on the command line before flags are parsed: other flags
    may depend on it.
    """
    values = flags.FlagValues()
    flags.DEFINE_string(name, default, "", flag_values=values)
    with contextlib.suppress(flags.Error):
        values(sys.argv if arguments is None else arguments, known_only=True)
    return values[name].value


def given_settings(fields):
    """Returns those of these settings, dataclass fields, that the command line gives, a dict."""
    names = [field.name for field in fields]
    return {name: flags.FLAGS[name].value for name in names if flags.FLAGS[name].value is not None}


def path(text):
    """Returns a path as the user typed it, with ~ expanded.

    Raises:
      UserError: if it is no path on this machine, or none that all libraries take.
    """
    if "://" in text:
        raise UserError(
            f"expected a path on this machine, received {text!r}; mount what lies there and give "
            "its path."
        )
    if any(0xD800 <= ord(letter) < 0xE000 or letter == "\0" for letter in text):
        raise UserError(
            f"the path {text!r} is not valid UTF-8; give, or rename it to, one that is."
        )
    expanded = os.path.expanduser(text)
    if expanded == text and (text == "~" or text.startswith("~/")):
        raise UserError(f"{text!r} is in no known home directory; set HOME, or give a whole path.")
    return pathlib.Path(expanded)


def absolute_path(text):
    """Returns a path as the user typed it, absolute and with ~ expanded, a text; raises UserError
    as `path` does.
    """
    return os.path.abspath(path(text))


class _PathParser(flags.ArgumentParser):
    def flag_type(self):
        return "path"

    def parse(self, argument):
        try:
            return str(path(argument)) if argument else argument
        except UserError as error:
            raise ValueError(str(error)) from None


def define_path(name, default, help_):
    """Defines a flag that takes a path, as `path` does: no text stays no text."""
    flags.DEFINE(_PathParser(), name, default, help_)


def user_path(text):
    """Returns the `absolute_path` of a flag that may be left out: None for None, or no text."""
    return absolute_path(text) if text else None


def command_line(name, **values):
    """Returns a command of this project, with these flags, as one types it in a shell."""
    given = [f"--{flag}={value}" for flag, value in values.items()]
    return shlex.join(["python", "-m", f"keras_infogan.{name}", *given])


def run_command(main):
    """Runs a command's `main()` under absl; a `UserError` ends it with its one sentence on stderr
    and exit status 2, `UnfinishedError` with 75 or its own.
    """
    _make_output_safe()
    try:
        try:
            _run(main)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Who read the output has gone, as in `... | head -1`. What is left of it must not fail
        # once more while Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _make_output_safe():
    """Lets no letter that the output cannot take, and no output that is closed, end the command."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, for as long as it runs
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(main):

    def checked(arguments):
        try:
            if len(arguments) > 1:
                raise UserError(
                    f"expected flags only, received {arguments[1]!r}; write --name=value."
                )
            return main()
        except UserError as error:
            return _refused_with(error)
        except UnfinishedError as unfinished:
            print(printable(str(unfinished)), file=sys.stderr)
            return unfinished.status
        except BrokenPipeError:
            raise
        except OSError as error:
            # A full disk, a directory that became read-only: nothing is half-written
            # under its final name.
            return _refused_with(
                f"cannot read or write {error.filename or 'a file'}: {error.strerror or error}."
            )
        except MemoryError:
            return _refused_with("the memory of this machine is not enough; ask for less at once.")
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            return 130

    # --help shows the flags of the command's own file; those that shared files defined for it are
    # no less its own.
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        for flag in defined if module.startswith("keras_infogan.") else ():
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    # TensorFlow's start-up notices would bury the one line that matters; errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.set_verbosity(logging.WARNING)
    app.run(checked, flags_parser=_parsed)


def _refused_with(fault):
    """Says what a command cannot do and returns its exit status."""
    print(f"error: {printable(str(fault))}", file=sys.stderr)
    return 2


def _parsed(arguments):
    """Parses the command line and returns what is no flag; ends the process where it cannot be
    parsed, or help was asked for.
    """
    names = {
        argument.lstrip("-").partition("=")[0] for argument in arguments if argument.startswith("-")
    }
    try:
        others = flags.FLAGS(arguments)
    except flags.UnrecognizedFlagError as error:
        name = error.flagname if error.flagname in _refused else error.flagname.removeprefix("no")
        fault = f"--{name} {_refused[name]}." if name in _refused else error
    except flags.Error as error:
        fault = error
    except SystemExit:  # absl's own flags for help, which end with 1
        sys.exit(0)
    else:
        fault = None
    for old, new in _renamed.items():
        if old in names or flags.FLAGS[old].present:  # the second, of a file of flags
            print(f"--{old} is called --{new} now; the old name still works.", file=sys.stderr)
    if fault:
        sys.exit(_refused_with(fault))
    return others
