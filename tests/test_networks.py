import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_infogan import networks


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(keras.layers.Conv2D(6, 4), (2, 8, 8, 3)), (keras.layers.Dense(6), (2, 12))],
)
def test_spectral_norm_is_one(layer, shape):
    keras.utils.set_random_seed(0)
    inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    normalized = networks.SpectralNormalization(layer)
    for _ in range(300):
        outputs = normalized(inputs, training=True)
    kernel = normalized.normalized_kernel(training=False).numpy()
    assert np.linalg.norm(kernel.reshape(-1, 6), 2) == pytest.approx(1.0, abs=1e-3)
    layer.kernel.assign(kernel)
    assert outputs.numpy() == pytest.approx(layer(inputs).numpy(), abs=1e-4), (
        "the same layer with the normalized kernel"
    )


def test_spectral_norm_passes_the_gradient_of_the_division():
    normalized = networks.SpectralNormalization(keras.layers.Dense(3, use_bias=False))
    normalized.build((None, 5))
    for _ in range(200):
        normalized.normalized_kernel(training=True)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(normalized.normalized_kernel(training=False) ** 2)
    gradient = tape.gradient(total, normalized.layer.kernel.value)
    # The normalized kernel does not change with the kernel's scale, so the gradient is
    # orthogonal to the kernel.
    assert float(tf.reduce_sum(gradient * normalized.layer.kernel)) == pytest.approx(0.0, abs=1e-3)
    assert float(tf.norm(gradient)) > 0.1


def test_decoder_makes_float32_images_in_range():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        decoder = networks.image_decoder("generator", 7, "dense 16 bn, dense 4x4x8 bn, conv 3/2")
        images = decoder(np.random.default_rng(0).normal(size=(5, 7)) * 50, training=True).numpy()
    finally:
        keras.config.set_dtype_policy("float32")
    assert images.shape == (5, 8, 8, 3)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1
    assert decoder.inputs[0].name == "latents"


def test_encoder_ends_in_features_or_a_head():
    images = np.zeros((2, 8, 8, 1), np.float32)
    assert networks.image_encoder("trunk", (8, 8, 1), "conv 4/2, conv 6/2 bn", 0.1)(
        images
    ).shape == (2, 24)
    assert networks.image_encoder("trunk", (8, 8, 1), "conv 4/2, dense 9", 0.1, num_outputs=5)(
        images
    ).shape == (2, 5)


def test_real_and_generated_batches_are_normalized_apart():
    encoder = networks.image_encoder("trunk", (4, 4, 1), "conv 8/2 bn", 0.1)
    batches = [
        np.random.default_rng(seed).normal(loc=seed * 5, size=(32, 4, 4, 1)).astype(np.float32)
        for seed in (0, 1)
    ]
    apart = [encoder(batch, training=True).numpy() for batch in batches]
    mixed = encoder(np.concatenate(batches), training=True).numpy()
    assert np.abs(np.concatenate(apart) - mixed).max() > 0.1


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("shape", [(8, 4, 4, 3), (8, 3)])
def test_batch_norm_of_one_replica_is_keras_s(shape, precision):
    """The fused operation against keras.layers.BatchNormalization: outputs, gradients, moving
    averages, and inference after that.
    """
    inputs = tf.constant(np.random.default_rng(0).normal(2, 3, shape), tf.float32)
    inputs = tf.cast(inputs, precision.removeprefix("mixed_"))
    found = []
    for kind in (keras.layers.BatchNormalization, networks.BatchNormalization):
        layer = kind(momentum=0.9, dtype=precision)
        layer.build(inputs.shape)
        layer.gamma.assign([1.0, 2.0, 0.5])
        layer.beta.assign([0.0, 1.0, -1.0])
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            total = tf.reduce_sum(outputs**3)
        gradients = tape.gradient(total, [inputs, layer.gamma.value, layer.beta.value])
        found.append(
            [
                outputs,
                *gradients,
                layer.moving_mean.numpy(),
                layer.moving_variance.numpy(),
                layer(inputs, training=False),
            ]
        )
    for ours, theirs in zip(*found, strict=True):
        assert np.asarray(ours) == pytest.approx(np.asarray(theirs), rel=1e-4, abs=1e-3)


def test_without_its_head_a_network_gives_what_the_head_reads():
    network = networks.image_encoder("x", (8, 8, 1), "conv 4/2, dense 5", 0.2, 3)
    images = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype(np.float32)
    hidden = networks.without_head(network)(images).numpy()
    assert hidden.shape == (6, 5)
    head = network.layers[-1]
    assert hidden @ head.kernel.numpy() + head.bias.numpy() == pytest.approx(
        network(images).numpy(), abs=1e-5
    )
