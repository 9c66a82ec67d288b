"""Arguments by name, checked before anything is computed."""

import numpy as np
import pytest

from keras_infogan import named
from keras_infogan.capabilities import CAPABILITIES
from keras_infogan.config import UserError
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_codes

CODES = "digit=categorical(10), slant=uniform, smile=bernoulli(0.3)"


class Recorder(named.Named):
    """Takes down what it is asked to compute."""

    title, image_shape = "Recorder", (4, 4, 1)

    def __init__(self, codes=CODES, noise_size=3, capabilities=tuple(CAPABILITIES)):
        self.latent_spec, self.capabilities = (
            LatentSpec(Noise(noise_size), parse_codes(codes)),
            capabilities,
        )

    def _generate(self, inputs, seeds, blended, gains):
        self.inputs, self.seeds, self.blended, self.gains = inputs, seeds, blended, gains
        return np.zeros((len(seeds), *self.image_shape), np.uint8)

    def _encode(self, images):
        self.images = images
        return {"digit": np.zeros(len(images), np.int64)}

    def _reconstruct(self, images):
        self.images = images
        return named.to_uint8(images)


@pytest.fixture
def recorder():
    return Recorder()


def test_codes_go_in_by_name_one_value_or_one_each(recorder):
    assert recorder.generate(digit=3, slant=[0.1, 0.2], smile=1, seed=5, num=2).shape == (
        2,
        4,
        4,
        1,
    )
    assert {
        name: (str(array.dtype), array.tolist()) for name, array in recorder.inputs.items()
    } == {
        "digit": ("int64", [3, 3]),
        "slant": ("float32", [pytest.approx(0.1), pytest.approx(0.2)]),
        "smile": ("int64", [1, 1]),
    }
    assert (recorder.seeds.tolist(), recorder.seeds.dtype, recorder.blended) == (
        [5, 6],
        np.int64,
        False,
    )


def test_codes_not_given_are_drawn_from_their_priors_with_the_seed(recorder):
    recorder.generate(slant=0.5, seed=7, num=4)
    expected = recorder.latent_spec.values(recorder.latent_spec.sample(4, 7))
    assert recorder.inputs["digit"].tolist() == expected["digit"].tolist()
    assert recorder.inputs["smile"].tolist() == expected["smile"].tolist()
    assert recorder.inputs["slant"].tolist() == [0.5] * 4
    recorder.sample(4, seed=7)
    assert recorder.inputs["slant"].tolist() == expected["slant"].tolist()


@pytest.mark.parametrize("codes", [{"digit": {3: 0.25, 8: 0.75}}, {"smile": 0.5}])
def test_one_blend_makes_weights_of_every_discrete_code(recorder, codes):
    recorder.generate(codes, num=3)
    assert recorder.blended
    shapes = {name: (str(array.dtype), array.shape) for name, array in recorder.inputs.items()}
    assert shapes == {
        "digit": ("float32", (3, 10)),
        "slant": ("float32", (3,)),
        "smile": ("float32", (3,)),
    }
    assert recorder.inputs["digit"].sum(axis=1) == pytest.approx([1, 1, 1])


def test_codes_may_be_called_as_arguments_are():
    recorder = Recorder("num=categorical(3), seed_of_doubt=uniform")
    recorder.generate({"num": 2}, num=4)
    assert recorder.inputs["num"].tolist() == [2, 2, 2, 2]


def test_a_model_without_codes_has_seeds_alone():
    recorder = Recorder("")
    recorder.generate(seed=3, num=2)
    assert (recorder.inputs, recorder.seeds.tolist(), recorder.blended) == ({}, [3, 4], False)
    with pytest.raises(UserError, match="there is no code 'digit'; the codes are none"):
        recorder.generate(digit=3)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (
            {"dgit": 3},
            (
                r"there is no code 'dgit' \(did you mean 'digit'\?\); "
                r"the codes are digit, slant, smile"
            ),
        ),
        ({"digit": 10}, "digit: expected a number from 0 to 9, received 10"),
        ({"digit": [1, 2, 3]}, r"digit: expected one value or 2, received the shape \(3,\)"),
        ({"digit": [[1, 2]]}, r"digit: expected one value or 2, received the shape \(1, 2\)"),
        ({"smile": {0: 1.0}}, "smile: expected a number, received weights"),
        ({"num": 0}, "num: expected a number of images from 1 to 1,000,000, received 0"),
        ({"num": 1_000_001}, "num: expected a number of images from 1 to 1,000,000"),
        ({"num": True}, "num: expected a number of images"),
        ({"seed": -1}, "seed: expected an integer from 0 to 4294967294 for 2 images, received -1"),
        ({"seed": 2**32 - 1}, "seed: expected an integer from 0 to 4294967294 for 2 images"),
        ({"seed": 1.5}, "seed: expected an integer"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_nothing_is_computed(recorder, arguments, part):
    with pytest.raises(UserError, match=part) as error:
        recorder.generate(**{"num": 2, **arguments})
    assert len(str(error.value).splitlines()) == 1
    assert not hasattr(recorder, "seeds")


@pytest.mark.parametrize("codes", [[1, 2], 3, "digit"])
def test_what_holds_no_names_is_one_sentence(recorder, codes):
    with pytest.raises(UserError, match="codes: expected names and values"):
        recorder.generate(codes)


def test_a_code_given_twice_is_one_sentence(recorder):
    with pytest.raises(UserError, match="digit is given twice"):
        recorder.generate({"digit": 3}, digit=4)


def test_uneven_lists_are_no_images(recorder):
    with pytest.raises(
        UserError, match="images: expected an array, received lists of uneven lengths"
    ):
        recorder.encode([[1.0], [1.0, 2.0]])


def test_the_last_seed_is_one_as_any(recorder):
    recorder.generate(seed=2**32 - 2, num=2)
    assert recorder.seeds.tolist() == [2**32 - 2, 2**32 - 1]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.full((2, 4, 4, 1), 51, np.uint8), 0.2),
        (np.full((2, 4, 4, 1), 0.2), 0.2),
        (np.ones((2, 4, 4, 1), bool), 1),
        (np.zeros((2, 4, 4, 1), int).tolist(), 0),
    ],
)
@pytest.mark.parametrize("method", ["encode", "reconstruct"])
def test_images_are_bytes_or_numbers_from_0_to_1(recorder, method, images, expected):
    getattr(recorder, method)(images)
    assert recorder.images.dtype == np.float32
    assert recorder.images == pytest.approx(np.full((2, 4, 4, 1), expected), abs=1e-6)


@pytest.mark.parametrize(
    ("images", "part"),
    [
        (
            np.zeros((0, 4, 4, 1)),
            r"images: expected the shape \(count, 4, 4, 1\), received \(0, 4, 4, 1\)",
        ),
        (np.zeros((4, 4, 1)), r"received \(4, 4, 1\)"),
        (np.zeros((2, 8, 8, 1)), r"received \(2, 8, 8, 1\)"),
        (3, r"received \(\)"),
        (np.full((1, 4, 4, 1), np.nan), "images: expected numbers from 0 to 1, or uint8"),
        (np.full((1, 4, 4, 1), 255), "images: expected numbers from 0 to 1, or uint8"),
        (np.full((1, 4, 4, 1), "x"), "images: expected uint8, or float in"),
        (np.full((1, 4, 4, 1), None), "images: expected uint8, or float in"),
    ],
)
@pytest.mark.parametrize("method", ["encode", "reconstruct"])
def test_wrong_images_are_one_sentence_and_nothing_is_computed(recorder, method, images, part):
    with pytest.raises(UserError, match=part):
        getattr(recorder, method)(images)
    assert not hasattr(recorder, "images")


@pytest.mark.parametrize(
    ("vectors", "part"),
    [
        ({}, r"expected digit \(count, 10\), slant \(count, 1\); received nothing"),
        (
            {"digit": np.zeros((2, 10)), "slant": np.zeros((3, 1))},
            r"received digit \(2, 10\), slant",
        ),
        (
            {"digit": [[1.0], [1.0, 2.0]], "slant": [[0.0]]},
            "digit, slant: expected arrays of numbers",
        ),
        (
            {"digit": np.zeros((1, 10)), "slant": [[np.nan]]},
            "slant: expected finite numbers, for at least one image",
        ),
        (
            {"digit": np.zeros((0, 10)), "slant": np.zeros((0, 1))},
            "digit: expected finite numbers, for at least one image",
        ),
    ],
)
def test_wrong_vectors_are_one_sentence_and_nothing_is_computed(vectors, part):
    with pytest.raises(UserError, match=part):
        Recorder("digit=categorical(10), slant=uniform").decode(**vectors)


def test_what_a_model_cannot_do_is_one_sentence():
    recorder = Recorder(capabilities=("log_likelihood",))
    images = np.zeros((1, 4, 4, 1), np.uint8)
    for ask, what in (
        (recorder.generate, "generate from latents"),
        (lambda: recorder.encode(images), "encode"),
        (lambda: recorder.reconstruct(images), "reconstruct"),
    ):
        with pytest.raises(
            UserError, match=rf"^a Recorder cannot {what}; it can say how likely images are\.$"
        ):
            ask()


def test_images_become_bytes():
    assert named.to_uint8(np.array([-0.1, 0, 0.5, 1, 1.2])).tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(UserError, match="hold what is no number; ask for codes nearer"):
        named.to_uint8(np.array([0.5, np.nan]))
