"""Bricks that sibling models share: image encoder, image decoder, spectral normalization.

Networks are functional Keras models built from the layer notation of `architectures`. Images are float32 (batch, height, width, channels) in [-1, 1].
"""

import keras
from keras import ops

from keras_infogan.architectures import KERNEL_SIZE, Conv, Dense, parse_layers

# The released code's moving averages; with Keras's 0.99 the averages of a run of a few hundred steps still hold their initial values.
BATCH_NORM_MOMENTUM = 0.9


def _batch_norm():
    # synchronized: replicas of a tf.distribute strategy normalize with the statistics of the global batch and keep the same moving averages.
    return keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, synchronized=True)


class _SpectralNormalized:
    """Divides a layer's kernel by its largest singular value, estimated with one power iteration a call (Miyato et al. 2018, arXiv 1802.05957).

    Unlike keras.layers.SpectralNormalization, which overwrites the kernel, the division is part of the graph: the gradient passes through it, and two calls in
    one training step see the same kernel.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.left_vector = self.add_weight(
            name="left_vector",
            shape=(1, self.kernel.shape[-1]),
            initializer="random_normal",
            trainable=False,
            dtype="float32",
            aggregation="only_first_replica",
        )

    def normalized_kernel(self, training):
        matrix = ops.reshape(ops.cast(self.kernel, "float32"), (-1, self.kernel.shape[-1]))
        right = ops.normalize(ops.matmul(self.left_vector, ops.transpose(matrix)), axis=-1)
        left = ops.normalize(ops.matmul(right, matrix), axis=-1)
        left, right = ops.stop_gradient(left), ops.stop_gradient(right)
        if training:
            self.left_vector.assign(left)
        spectral_norm = ops.sum(ops.matmul(right, matrix) * left)
        return ops.cast(ops.cast(self.kernel, "float32") / spectral_norm, self.compute_dtype)


@keras.saving.register_keras_serializable("keras_infogan")
class SpectralConv2D(_SpectralNormalized, keras.layers.Conv2D):
    """keras.layers.Conv2D with a spectrally normalized kernel."""

    def call(self, inputs, training=False):
        outputs = self.convolution_op(inputs, self.normalized_kernel(training))
        return ops.add(outputs, ops.cast(self.bias, outputs.dtype)) if self.use_bias else outputs


@keras.saving.register_keras_serializable("keras_infogan")
class SpectralDense(_SpectralNormalized, keras.layers.Dense):
    """keras.layers.Dense with a spectrally normalized kernel."""

    def call(self, inputs, training=False):
        outputs = ops.matmul(inputs, self.normalized_kernel(training))
        return ops.add(outputs, ops.cast(self.bias, outputs.dtype)) if self.use_bias else outputs


def _dense(units, use_bias=True, spectral_norm=False, **kwargs):
    layer = SpectralDense if spectral_norm else keras.layers.Dense
    return layer(units, use_bias=use_bias, **kwargs)


def image_encoder(name, input_shape, layers, leaky_relu_slope, num_outputs=0, spectral_norm=False):
    """Builds a network from images, or features, to features or to a float32 head.

    Args:
      name: of the Keras model; its input is called "<name>_input".
      input_shape: (height, width, channels), or (features,).
      layers: layer notation; each layer is followed by batch norm where it says so, and leaky ReLU.
      leaky_relu_slope: slope for negative inputs.
      num_outputs: width of a last, linear layer computed in float32; 0 leaves it out and the output is flat features.
      spectral_norm: whether kernels are spectrally normalized.

    Returns:
      A keras.Model from (batch, *input_shape) to (batch, features) or (batch, num_outputs).
    """
    inputs = features = keras.Input(input_shape, name=f"{name}_input")
    for layer in parse_layers(layers):
        if isinstance(layer, Conv):
            convolution = SpectralConv2D if spectral_norm else keras.layers.Conv2D
            features = convolution(layer.filters, KERNEL_SIZE, layer.stride, padding="same", use_bias=not layer.batch_norm)(features)
        else:
            features = _dense(layer.shape[0], use_bias=not layer.batch_norm, spectral_norm=spectral_norm)(keras.layers.Flatten()(features))
        if layer.batch_norm:
            features = _batch_norm()(features)
        features = keras.layers.LeakyReLU(leaky_relu_slope)(features)
    features = keras.layers.Flatten()(features)
    if num_outputs:
        features = _dense(num_outputs, dtype="float32")(features)
    return keras.Model(inputs, features, name=name)


def image_decoder(name, input_size, layers):
    """Builds a network from latent vectors to images.

    Args:
      name: of the Keras model; its input is called "latents".
      input_size: length of a latent vector.
      layers: layer notation; every layer but the last is followed by ReLU, the last by tanh in float32.

    Returns:
      A keras.Model from float32 (batch, input_size) to float32 (batch, height, width, channels) in [-1, 1].
    """
    inputs = features = keras.Input((input_size,), name="latents")
    layers = parse_layers(layers)
    for layer in layers:
        last = layer is layers[-1]
        dtype = "float32" if last else None
        if isinstance(layer, Dense):
            if len(features.shape) > 2:
                features = keras.layers.Flatten()(features)
            units = 1
            for size in layer.shape:
                units *= size
            features = _dense(units, use_bias=not layer.batch_norm, dtype=dtype)(features)
        else:
            features = keras.layers.Conv2DTranspose(layer.filters, KERNEL_SIZE, layer.stride, padding="same", use_bias=not layer.batch_norm, dtype=dtype)(
                features
            )
        if layer.batch_norm:
            features = _batch_norm()(features)
        features = keras.layers.Activation("tanh" if last else "relu", dtype=dtype)(features)
        if isinstance(layer, Dense) and len(layer.shape) == 3:
            features = keras.layers.Reshape(layer.shape)(features)
    return keras.Model(inputs, features, name=name)
