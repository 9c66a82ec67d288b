"""The JSON of TensorFlow Serving's predict calls, https://www.tensorflow.org/tfx/serving/api_rest,
as a server reads and writes it.
"""

import base64
import json

import numpy as np

from keras_infogan.config import UserError

_TYPES = {"int64": (int,), "float32": (int, float)}


def read_request(body, inputs_of, max_batch):
    """Reads a request.

    Args:
      body: bytes or bytearray.
      inputs_of: function from the name of a signature to the Tensors it takes; raises
        UserError for others.
      max_batch: images in a request at most.

    Returns:
      (name of the signature, dict of numpy arrays, whether it came in rows: "instances").

    Raises:
      UserError: if it is malformed; the sentence says how.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the request is no JSON: {str(error)[:200]}.") from None
    if not isinstance(request, dict):
        raise UserError(f"expected a JSON object, received {_shown(request)}.")
    signature = request.get("signature_name", "serving_default")
    if not isinstance(signature, str):
        raise UserError(f"signature_name: expected a text, received {_shown(signature)}.")
    signature = signature or "serving_default"
    tensors = inputs_of(signature)
    if ("instances" in request) == ("inputs" in request):
        raise UserError('expected either "instances" or "inputs".')
    by_rows = "instances" in request
    columns = _columns_of_rows(request["instances"], tensors) if by_rows else request["inputs"]
    # A single input may come without its name.
    if len(tensors) == 1 and not isinstance(columns, dict):
        columns = {tensors[0].name: columns}
    _check_names(columns, tensors, "inputs")
    arrays = {tensor.name: _array(columns[tensor.name], tensor, max_batch) for tensor in tensors}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise UserError(
            "expected as many entries of each input, received "
            f"{', '.join(f'{count} of {name}' for name, count in counts.items())}."
        )
    return signature, arrays, by_rows


def _columns_of_rows(rows, tensors):
    if not isinstance(rows, list) or not rows:
        raise UserError(
            f"instances: expected a list with an entry for each image, received {_shown(rows)}."
        )
    if len(tensors) == 1 and not isinstance(rows[0], dict):
        return rows
    for index, row in enumerate(rows):
        _check_names(row, tensors, f"instance {index}")
    return {tensor.name: [row[tensor.name] for row in rows] for tensor in tensors}


def _check_names(given, tensors, what):
    names = [tensor.name for tensor in tensors]
    if not isinstance(given, dict) or given.keys() != set(names):
        received = (
            ", ".join(map(repr, list(given)[:20]))[:200]
            if isinstance(given, dict)
            else _shown(given)
        )
        raise UserError(
            f"{what}: expected an object with {', '.join(names)}, received {received or 'nothing'}."
        )


def _array(values, tensor, max_batch):
    shape = f"({', '.join(map(str, ('batch', *tensor.shape)))})"
    if not isinstance(values, list) or not values:
        raise UserError(
            f"{tensor.name}: expected a list with an entry for each image, received "
            f"{_shown(values)}."
        )
    if len(values) > max_batch:
        raise UserError(
            f"{tensor.name}: expected at most {max_batch} images at once, "
            f"received {len(values)}; ask in parts."
        )
    try:
        _check_types(values, tensor)
        # Beyond float32 lies infinity, which is refused with its name.
        with np.errstate(over="ignore"):
            array = np.array(values, tensor.type)
    except (ValueError, OverflowError, RecursionError):
        raise UserError(
            f"{tensor.name}: expected {tensor.type} of the shape {shape}, received uneven lists "
            "or a number too large."
        ) from None
    if array.shape[1:] != tensor.shape:
        raise UserError(f"{tensor.name}: expected the shape {shape}, received {array.shape}.")
    return array


def _check_types(values, tensor):
    for value in values:
        if isinstance(value, list):
            _check_types(value, tensor)
        elif type(value) not in _TYPES[tensor.type]:
            # Not isinstance: true and false are no numbers here.
            raise UserError(
                f"{tensor.name}: expected {tensor.type} numbers, received {_shown(value)}."
            )


def _shown(value):
    """Returns a few characters of a JSON value."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def write_answer(outputs, by_rows):
    """Returns the bytes that answer a request with named outputs: arrays, or lists of bytes.

    A single output comes without its name.
    """
    columns = {
        name: [{"b64": base64.b64encode(data).decode()} for data in values]
        if isinstance(values, list)
        else values.tolist()
        for name, values in outputs.items()
    }
    if len(columns) == 1:
        (answer,) = columns.values()
    else:
        answer = (
            [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            if by_rows
            else columns
        )
    return json.dumps({"predictions" if by_rows else "outputs": answer}).encode()
