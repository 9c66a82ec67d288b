"""Where a server of this package listens, and by which names it may be asked, as its flags say."""

import socket

from absl import flags

from keras_infogan.config import UserError

FLAGS = flags.FLAGS
EVERY_ADDRESS = ("0.0.0.0", "::")


def define_flags(port):
    """Defines the flags that say where to listen and whom to answer, with a default port."""
    flags.DEFINE_string(
        "host", "localhost", "the address to listen on; 0.0.0.0 lets other machines in."
    )
    flags.DEFINE_integer(
        "port", port, "the port; 0 takes a free one.", lower_bound=0, upper_bound=65535
    )
    flags.DEFINE_list(
        "allowed_hosts",
        [],
        "names by which it may be asked beside localhost and --host, separated by commas: those "
        "that a proxy, or another machine, has for it.",
    )


def listen_as_flags_say():
    """Returns a listening socket; raises UserError if there can be none."""
    if not FLAGS.host:
        raise UserError(
            "--host is empty, which would be every address of this machine; give localhost, or "
            "0.0.0.0 if that is meant."
        )
    try:
        return listen(FLAGS.host, FLAGS.port)
    except (OSError, UnicodeError) as error:  # the second, of what is too long for a name
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot listen on {FLAGS.host[:100]} port {FLAGS.port}: {reason}; give another --port "
            "(0 takes a free one) or --host."
        ) from None


def listen(host, port):
    """Returns a listening socket; raises OSError if there can be none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # Names mean an address of the older kind, where there is one: not every program tries both.
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    # Not socket.create_server: asyncio sends small answers at once only on sockets that name their
    # protocol, others wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def url(listener):
    """Returns the address to open of a socket as the flags say, http://HOST:PORT."""
    host = "localhost" if FLAGS.host in EVERY_ADDRESS else in_address(FLAGS.host)
    return f"http://{host}:{listener.getsockname()[1]}"


def in_address(host):
    """Returns a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def missing(error):
    """Returns the UserError of an ImportError of what a server needs."""
    return UserError(
        f"serving needs {error.name}, which is not installed; install keras-infogan with its "
        "extra: pip install '.[serving]'."
    )
