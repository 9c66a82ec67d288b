"""The training step that someone would write by hand in PyTorch for the same networks and batch:
what step_time.py measures beside ours where torch is installed (`pip install torch`; the project
does not depend on it).

The discriminator learns on detached fakes; the generator, with the recognizer, on the same fakes
through the trunk as it has become. The trunk gets no gradient of the information.
"""

import math

import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

from keras_infogan import codes
from keras_infogan.architectures import Conv, parse_layers


class Reshape(nn.Module):
    """To (batch, channels, height, width)."""

    def __init__(self, shape):
        super().__init__()
        height, width, channels = shape
        self.shape = (channels, height, width)

    def forward(self, features):
        return features.unflatten(1, self.shape)


def _stack(text, size, channels, activation, transposed=False):
    """Returns the layers of a line of layer notation and the shape of what they give: (features,
    None), or (channels, size).
    """
    layers, specs = [], parse_layers(text)
    for spec in specs:
        last = transposed and spec is specs[-1]
        if isinstance(spec, Conv):
            kind = nn.ConvTranspose2d if transposed else nn.Conv2d
            # A row on each side, so that a stride of 2 halves or doubles the size.
            layers.append(
                kind(channels, spec.filters, 4, spec.stride, padding=1, bias=not spec.batch_norm)
            )
            size = size * spec.stride if transposed else size // spec.stride
            channels, norm = spec.filters, nn.BatchNorm2d
        else:
            if channels:
                layers.append(nn.Flatten())
                size, channels = size * size * channels, None
            units = math.prod(spec.shape)
            layers.append(nn.Linear(size, units, bias=not spec.batch_norm))
            size, norm = units, nn.BatchNorm1d
        if spec.batch_norm:
            layers.append(norm(channels if channels else size, momentum=0.1))
        layers.append(nn.Tanh() if last else activation())
        if not isinstance(spec, Conv) and len(spec.shape) == 3:
            layers.append(Reshape(spec.shape))
            size, channels = spec.shape[0], spec.shape[2]
    return layers, size, channels


def build(settings, image_shape, compiled=False):
    """Returns a function of no arguments that takes one step and returns the losses, floats.

    Args:
      settings: InfoGANSettings of the paper's game, with convolutions of stride 2: no terms on real
        images, no spectral normalization.
      image_shape: (height, width, channels), square.
      compiled: whether each network goes through torch.compile.
    """
    size, channels = image_shape[1:]
    batch, spec = settings.batch_size, settings.latent_spec

    def leaky():
        return nn.LeakyReLU(settings.leaky_relu_slope, inplace=True)

    layers, size, channels = _stack(settings.trunk_layers, size, channels, leaky)
    features = size if channels is None else size * size * channels
    trunk = nn.Sequential(*layers, nn.Flatten())
    discriminator = nn.Linear(features, 1)
    layers, hidden, _ = _stack(settings.recognizer_layers, features, None, leaky)
    recognizer = nn.Sequential(*layers, nn.Linear(hidden, spec.total_parameters))
    layers, *_ = _stack(
        settings.generator_layers, spec.size, None, lambda: nn.ReLU(inplace=True), transposed=True
    )
    generator = nn.Sequential(*layers)
    rates = settings.discriminator_learning_rate, settings.generator_learning_rate
    betas = (settings.adam_beta_1, 0.999)
    of_discriminator = torch.optim.Adam(
        [*trunk.parameters(), *discriminator.parameters()], rates[0], betas
    )
    of_generator = torch.optim.Adam(
        [*generator.parameters(), *recognizer.parameters()], rates[1], betas
    )
    if compiled:
        networks = trunk, discriminator, recognizer, generator
        trunk, discriminator, recognizer, generator = map(torch.compile, networks)
    images = torch.empty(batch, image_shape[2], *image_shape[:2]).uniform_(-1, 1)

    def draw():
        parts, targets = [torch.empty(batch, spec.noise.size).uniform_(-1, 1)], []
        for code in spec.codes:
            if isinstance(code, codes.Categorical):
                targets.append(torch.randint(code.num_values, (batch,)))
                parts.append(functional.one_hot(targets[-1], code.num_values).float())
            else:
                targets.append(torch.empty(batch, 1).uniform_(-1, 1))
                parts.append(targets[-1])
        return torch.cat(parts, dim=1), targets

    def information_loss(parameters, targets):
        loss, start = 0.0, 0
        for code, target in zip(spec.codes, targets, strict=True):
            if isinstance(code, codes.Categorical):
                logits = parameters[:, start : start + code.num_values]
                loss = loss + functional.cross_entropy(logits, target)
                start += code.num_values
            else:
                mean, log_std = parameters[:, start, None], parameters[:, start + 1, None]
                loss = loss + (0.5 * ((target - mean) / log_std.exp()) ** 2 + log_std).mean()
                start += 2
        return loss

    def step():
        latents, targets = draw()
        fakes = generator(latents)
        real_logits, fake_logits = (discriminator(trunk(part)) for part in (images, fakes.detach()))
        discriminator_loss = (
            functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean()
        )
        of_discriminator.zero_grad()
        discriminator_loss.backward()
        of_discriminator.step()
        found = trunk(fakes)
        generator_loss = functional.softplus(-discriminator(found)).mean()
        generator_loss = generator_loss + information_loss(recognizer(found), targets)
        of_generator.zero_grad()
        generator_loss.backward()
        of_generator.step()
        return discriminator_loss, generator_loss

    return step
