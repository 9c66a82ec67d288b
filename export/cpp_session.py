"""A SavedModel in TensorFlow's C++ loader, the one that TensorFlow Serving uses, without
TensorFlow's Python code: through its C interface.

The interface: https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/c/c_api.h
"""

import ctypes
import pathlib
from ctypes import c_char_p, c_int, c_int64, c_size_t, c_void_p

import numpy as np
import tensorflow as tf

from keras_infogan.config import UserError


class _Output(ctypes.Structure):
    _fields_ = (("operation", c_void_p), ("index", c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


_SIGNATURES = {
    "TF_NewStatus": (c_void_p,),
    "TF_DeleteStatus": (None, c_void_p),
    "TF_GetCode": (c_int, c_void_p),
    "TF_Message": (c_char_p, c_void_p),
    "TF_NewGraph": (c_void_p,),
    "TF_DeleteGraph": (None, c_void_p),
    "TF_NewBuffer": (ctypes.POINTER(_Buffer),),
    "TF_DeleteBuffer": (None, ctypes.POINTER(_Buffer)),
    "TF_NewSessionOptions": (c_void_p,),
    "TF_DeleteSessionOptions": (None, c_void_p),
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        *(
            c_void_p,
            c_void_p,
            c_char_p,
            ctypes.POINTER(c_char_p),
            c_int,
            c_void_p,
            ctypes.POINTER(_Buffer),
            c_void_p,
        ),
    ),
    "TF_DeleteSession": (None, c_void_p, c_void_p),
    "TF_GraphOperationByName": (c_void_p, c_void_p, c_char_p),
    "TF_AllocateTensor": (c_void_p, c_int, ctypes.POINTER(c_int64), c_int, c_size_t),
    "TF_DeleteTensor": (None, c_void_p),
    "TF_TensorData": (c_void_p, c_void_p),
    "TF_TensorType": (c_int, c_void_p),
    "TF_NumDims": (c_int, c_void_p),
    "TF_Dim": (c_int64, c_void_p, c_int),
    "TF_StringGetDataPointer": (c_void_p, c_void_p),
    "TF_StringGetSize": (c_size_t, c_void_p),
    "TF_SessionRun": (
        None,
        *(
            c_void_p,
            c_void_p,
            ctypes.POINTER(_Output),
            ctypes.POINTER(c_void_p),
            c_int,
            ctypes.POINTER(_Output),
            ctypes.POINTER(c_void_p),
            c_int,
        ),
        *(c_void_p, c_int, c_void_p, c_void_p),
    ),
}
_STRING_BYTES = 24  # of a TF_TString


def _library():
    """Returns TensorFlow's C++ library; raises UserError where this installation
    has none (Windows).
    """
    folder = pathlib.Path(tf.__file__).parent
    path = next(
        (
            path
            for name in ("libtensorflow_cc.so.2", "libtensorflow_cc.2.dylib")
            if (path := folder / name).exists()
        ),
        None,
    )
    if path is None:
        raise UserError(f"TensorFlow's C++ library is not in {folder}")
    library = ctypes.CDLL(str(path))
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class CppSession:
    """Loads a SavedModel and runs its signatures; close it after use, or use it in a
    `with` statement.

    Raises:
      UserError: if there is no C++ library, or it refuses the model or an input, with its message.
    """

    def __init__(self, directory):
        self._tf = _library()
        self._status, self._graph = self._tf.TF_NewStatus(), self._tf.TF_NewGraph()
        options, buffer = self._tf.TF_NewSessionOptions(), self._tf.TF_NewBuffer()
        tags = (c_char_p * 1)(b"serve")
        self._session = self._tf.TF_LoadSessionFromSavedModel(
            options, None, str(directory).encode(), tags, 1, self._graph, buffer, self._status
        )
        self._check()
        meta_graph = tf.compat.v1.MetaGraphDef.FromString(
            ctypes.string_at(buffer.contents.data, buffer.contents.length)
        )
        self._tf.TF_DeleteBuffer(buffer)
        self._tf.TF_DeleteSessionOptions(options)
        self._signatures = {
            name: (
                {key: info.name for key, info in one.inputs.items()},
                {key: info.name for key, info in one.outputs.items()},
            )
            for name, one in meta_graph.signature_def.items()
        }

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._tf.TF_DeleteSession(self._session, self._status)
        self._tf.TF_DeleteGraph(self._graph)
        self._tf.TF_DeleteStatus(self._status)

    def run(self, signature, feeds):
        """Returns a signature's outputs, a dict of arrays, for named numpy inputs.

        Strings come as bytes.
        """
        inputs, outputs = self._signatures[signature]
        tensors = (c_void_p * len(feeds))(*(self._tensor(array) for array in feeds.values()))
        places = (_Output * len(feeds))(*(self._place(inputs[name]) for name in feeds))
        results, wanted = (
            (c_void_p * len(outputs))(),
            (_Output * len(outputs))(*(self._place(name) for name in outputs.values())),
        )
        self._tf.TF_SessionRun(
            self._session,
            None,
            places,
            tensors,
            len(feeds),
            wanted,
            results,
            len(outputs),
            None,
            0,
            None,
            self._status,
        )
        for tensor in tensors:
            self._tf.TF_DeleteTensor(tensor)
        self._check()
        arrays = {name: self._array(result) for name, result in zip(outputs, results, strict=True)}
        for result in results:
            self._tf.TF_DeleteTensor(result)
        return arrays

    def _check(self):
        if self._tf.TF_GetCode(self._status):
            raise UserError(self._tf.TF_Message(self._status).decode())

    def _place(self, name):
        operation, _, index = name.partition(":")
        return _Output(
            self._tf.TF_GraphOperationByName(self._graph, operation.encode()), int(index)
        )

    def _tensor(self, array):
        array = np.ascontiguousarray(array)
        dimensions = (c_int64 * array.ndim)(*array.shape)
        tensor = self._tf.TF_AllocateTensor(
            tf.as_dtype(array.dtype).as_datatype_enum, dimensions, array.ndim, array.nbytes
        )
        ctypes.memmove(self._tf.TF_TensorData(tensor), array.ctypes.data, array.nbytes)
        return tensor

    def _array(self, tensor):
        shape = [self._tf.TF_Dim(tensor, axis) for axis in range(self._tf.TF_NumDims(tensor))]
        dtype, data = tf.as_dtype(self._tf.TF_TensorType(tensor)), self._tf.TF_TensorData(tensor)
        if dtype == tf.string:
            texts = [c_void_p(data + index * _STRING_BYTES) for index in range(int(np.prod(shape)))]
            return np.array(
                [
                    ctypes.string_at(
                        self._tf.TF_StringGetDataPointer(text), self._tf.TF_StringGetSize(text)
                    )
                    for text in texts
                ],
                object,
            )
        count = int(np.prod(shape)) * dtype.size
        return np.frombuffer(ctypes.string_at(data, count), dtype.as_numpy_dtype).reshape(shape)
