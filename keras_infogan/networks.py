"""Bricks that sibling models share: image encoder, image decoder, spectral normalization.

Networks are functional Keras models built from the layer notation of `architectures`. Images are
float32 (batch, height, width, channels) in [-1, 1].
"""

import math

import keras
import tensorflow as tf
from keras import ops

from keras_infogan.architectures import KERNEL_SIZE, Conv, Dense, parse_layers

# The released code's moving averages; with Keras's 0.99 the averages of a run of a few hundred
# steps still hold their initial values.
BATCH_NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable("keras_infogan")
class BatchNormalization(keras.layers.BatchNormalization):
    """keras.layers.BatchNormalization, synchronized over replicas; with one replica by TensorFlow's
    fused operation, which Keras 3 has no way to.

    Synchronized, replicas of a tf.distribute strategy normalize with the statistics of the global
    batch and keep the same moving averages.
    """

    def __init__(self, momentum=BATCH_NORM_MOMENTUM, **settings):
        super().__init__(momentum=momentum, **{"synchronized": True} | settings)

    def call(self, inputs, training=None):
        several = tf.distribute.get_strategy().num_replicas_in_sync > 1
        if not training or not self.trainable or several:
            return super().call(inputs, training=training)
        images = inputs if len(inputs.shape) == 4 else inputs[:, None, None]
        nothing = tf.zeros((0,), "float32")
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=images,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=nothing,
            variance=nothing,
            epsilon=self.epsilon,
            is_training=True,
        )
        # What is returned to be averaged is the unbiased variance; that of the batch is meant.
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], "float32")
        variance *= (count - 1) / count
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return outputs if len(inputs.shape) == 4 else outputs[:, 0, 0]


@keras.saving.register_keras_serializable("keras_infogan")
class SpectralNormalization(keras.layers.Wrapper):
    """Divides the kernel of a Conv2D or Dense layer by its largest singular value (Miyato et al.
    2018, arXiv 1802.05957, one power iteration a call).

    Unlike keras.layers.SpectralNormalization, which overwrites the kernel, the division is part of
    the graph: the gradient passes through it, and the weights that the optimizer moves stay its
    own.
    """

    def build(self, input_shape):
        super().build(input_shape)
        # Replicas hold the same kernel, so all compute the same vector.
        self.left_vector = self.add_weight(
            name="left_vector",
            shape=(1, self.layer.kernel.shape[-1]),
            initializer="random_normal",
            trainable=False,
            dtype="float32",
            aggregation="only_first_replica",
        )

    def normalized_kernel(self, training):
        """Returns the kernel divided by its spectral norm; in training the estimate of the
        norm is refined too.
        """
        kernel = ops.cast(self.layer.kernel, "float32")
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        right = ops.stop_gradient(
            ops.normalize(ops.matmul(self.left_vector, ops.transpose(matrix)), axis=-1)
        )
        left = ops.stop_gradient(ops.normalize(ops.matmul(right, matrix), axis=-1))
        if training:
            self.left_vector.assign(left)
        return ops.cast(kernel / ops.sum(ops.matmul(right, matrix) * left), self.compute_dtype)

    def call(self, inputs, training=False):
        kernel = self.normalized_kernel(training)
        convolution = isinstance(self.layer, keras.layers.Conv2D)
        outputs = (
            self.layer.convolution_op(inputs, kernel) if convolution else ops.matmul(inputs, kernel)
        )
        return (
            outputs + ops.cast(self.layer.bias, outputs.dtype) if self.layer.use_bias else outputs
        )


def _initializer(weight_std):
    """Returns an initializer of kernels: N(0, weight_std), or for 0 Keras's default.

    A new one for each layer: one alone would give all the same numbers.
    """
    return (
        keras.initializers.RandomNormal(stddev=weight_std)
        if weight_std
        else keras.initializers.GlorotUniform()
    )


def image_encoder(
    name, input_shape, layers, leaky_relu_slope, num_outputs=0, spectral_norm=False, weight_std=0.0
):
    """Builds a network from images, or features, to features or to a float32 head.

    Args:
      name: of the Keras model; its input is called "<name>_input".
      input_shape: (height, width, channels), or (features,).
      layers: layer notation; each layer is followed by batch norm where it says so, and leaky ReLU.
      leaky_relu_slope: slope for negative inputs.
      num_outputs: width of a last, linear layer computed in float32; 0 leaves it out and the output
        is flat features.
      spectral_norm: whether kernels are spectrally normalized, of all layers but the last linear
        one (`num_outputs`).
      weight_std: standard deviation of the kernels to begin with; 0: Glorot's, uniform.

    Returns:
      A keras.Model from (batch, *input_shape) to (batch, features) or (batch, num_outputs).
    """
    normalized = SpectralNormalization if spectral_norm else lambda layer: layer
    inputs = features = keras.Input(input_shape, name=f"{name}_input")
    for layer in parse_layers(layers):
        if isinstance(layer, Conv):
            settings = {
                "padding": "same",
                "use_bias": not layer.batch_norm,
                "kernel_initializer": _initializer(weight_std),
            }
            features = normalized(
                keras.layers.Conv2D(layer.filters, KERNEL_SIZE, layer.stride, **settings)
            )(features)
        else:
            dense = keras.layers.Dense(
                math.prod(layer.shape),
                use_bias=not layer.batch_norm,
                kernel_initializer=_initializer(weight_std),
            )
            features = normalized(dense)(keras.layers.Flatten()(features))
        if layer.batch_norm:
            features = BatchNormalization()(features)
        features = keras.layers.LeakyReLU(leaky_relu_slope)(features)
    features = keras.layers.Flatten()(features)
    if num_outputs:
        features = keras.layers.Dense(
            num_outputs, kernel_initializer=_initializer(weight_std), dtype="float32"
        )(features)
    return keras.Model(inputs, features, name=name)


def with_hidden(network, layer):
    """Returns a network that gives, beside what `image_encoder`'s gives, what one of its layers
    gives before batch norm and leaky ReLU.

    Args:
      network: of `image_encoder`.
      layer: the number of that layer, from 1 on.

    Returns:
      A keras.Model of the same layers and name, with two outputs: that of `network`, and hidden
      features (batch, features).
    """
    kinds = (keras.layers.Conv2D, keras.layers.Dense, SpectralNormalization)
    layers = [found for found in network.layers if isinstance(found, kinds)]
    hidden = keras.layers.Flatten()(layers[layer - 1].output)
    return keras.Model(network.input, [network.output, hidden], name=network.name)


def without_head(network):
    """Returns a network of the same layers that ends in what the last dense one reads, hidden
    features (batch, features).
    """
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    return keras.Model(network.input, dense[-1].input)


def image_decoder(name, input_size, layers, activation="tanh", weight_std=0.0):
    """Builds a network from latent vectors to images.

    Args:
      name: of the Keras model; its input is called "latents".
      input_size: length of a latent vector.
      layers: layer notation; every layer but the last is followed by ReLU.
      activation: of the last layer, which is computed in float32: "tanh", or "linear".
      weight_std: standard deviation of the kernels to begin with; 0: Glorot's, uniform.

    Returns:
      A keras.Model from float32 (batch, input_size) to float32 (batch, height, width, channels), in
      [-1, 1] after tanh.
    """
    inputs = features = keras.Input((input_size,), name="latents")
    layers = parse_layers(layers)
    for layer in layers:
        last = layer is layers[-1]
        settings = {
            "use_bias": not layer.batch_norm,
            "kernel_initializer": _initializer(weight_std),
            "dtype": "float32" if last else None,
        }
        if isinstance(layer, Dense):
            if len(features.shape) > 2:
                features = keras.layers.Flatten()(features)
            features = keras.layers.Dense(math.prod(layer.shape), **settings)(features)
        else:
            features = keras.layers.Conv2DTranspose(
                layer.filters, KERNEL_SIZE, layer.stride, padding="same", **settings
            )(features)
        if layer.batch_norm:
            features = BatchNormalization()(features)
        features = keras.layers.Activation(activation if last else "relu", dtype=settings["dtype"])(
            features
        )
        if isinstance(layer, Dense) and len(layer.shape) == 3:
            features = keras.layers.Reshape(layer.shape, dtype=settings["dtype"])(features)
    return keras.Model(inputs, features, name=name)


def gray(logits):
    """Returns gray levels in [-1, 1] of a decoder that ends in logits: 2 sigmoid(logits) - 1."""
    return ops.tanh(0.5 * logits)
