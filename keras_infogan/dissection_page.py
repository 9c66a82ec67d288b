"""The page of a dissection: one HTML file with everything in it, and what units.json says."""

import importlib.resources

import jinja2
import numpy as np

from keras_infogan import __version__, dissection, images

_SHOWN_UNITS = 3
_TINT = np.array([0.1, -0.5, -0.75], np.float32)  # of what a unit does not point to; warm and dark


def summary(opened, names, own, shuffled, effects, left_out, stand_in):
    """Returns what was found as a dict to be written as JSON; arguments as `dissection` gives
    them.
    """
    best = own.ious.argmax(axis=1)
    units = [
        {
            "unit": unit,
            "segment": names[place] if own.found[unit, place] else None,
            "iou": float(own.ious[unit, place]),
            "iou_shuffled": float(shuffled.ious[unit].max()),
            "information_quality_ratio": float(own.ratios[unit, place]),
            "threshold": float(own.thresholds[unit, place]),
        }
        for unit, place in enumerate(best)
    ]
    segments = {
        name: {
            "units_found": int(own.found[:, index].sum()),
            "units_found_shuffled": int(shuffled.found[:, index].sum()),
            "units_above_chance": int(_above_chance(own, shuffled)[:, index].sum()),
            "stand_in_iou": float(stand_in[name]),
            "effect": _effect(effects[name], name) if name in effects else None,
            "left_out": left_out.get(name),
        }
        for index, name in enumerate(names)
    }
    return {
        "keras_infogan": __version__,
        "layer": opened.layer,
        "shape": list(opened.shape),
        "rule": f"IoU above {dissection.LEAST_IOU} at the threshold of the highest information "
        f"quality ratio, which is above {dissection.LEAST_RATIO}; above chance: by that much more "
        "than with the segments of another image",
        "units_found": int(own.found.any(axis=1).sum()),
        "units_found_shuffled": int(shuffled.found.any(axis=1).sum()),
        "units_above_chance": int(_above_chance(own, shuffled).any(axis=1).sum()),
        "segments": segments,
        "units": units,
    }


def _above_chance(own, shuffled):
    return own.found & (own.ious - shuffled.ious > dissection.LEAST_IOU)


def _effect(effect, name):
    return {
        "units": effect.units.tolist(),
        "alpha": [round(float(value), 4) for value in effect.alpha],
        "removed": effect.removed[name],
        "removed_by_random_units": effect.removed_by_random,
        "removed_of_others": {
            other: share for other, share in effect.removed.items() if other != name
        },
        "inserted": effect.inserted,
        "inserted_by_random_units": effect.inserted_by_random,
    }


def html(run, result, opened, own, names, effects, seed):
    """Returns the page as text.

    Args:
      run: the Run.
      result: the content of units.json.
      opened, own, names, effects: as `dissection` takes and gives them.
      seed: of the latents of its pictures.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(
        importlib.resources.files("keras_infogan")
        .joinpath("dissection.html")
        .read_text(encoding="utf-8")
    )
    latents = opened.model.latent_spec.sample(300, seed + 5)
    made, maps = dissection.joined(opened, latents)
    units = {
        name: [
            {
                "unit": unit,
                "segment": names[own.ious[unit].argmax()],
                "iou": own.ious[unit, index],
                "picture": images.data_url(_unit(made, maps, unit, own.thresholds[unit, index])),
            }
            for unit in np.argsort(-own.ious[:, index])[:_SHOWN_UNITS]
            if own.found[unit, index]
        ]
        for index, name in enumerate(names)
    }
    pictures = {
        name: [
            images.data_url(picture)
            for picture in (
                _without(opened, latents, [effect.units, effect.random_units]),
                images.grid(np.concatenate(effect.examples), dissection.NUM_EXAMPLES),
            )
        ]
        for name, effect in effects.items()
    }
    broken = result["artifacts"].get("units")
    return template.render(
        run=run,
        result=result,
        units=units,
        pictures=pictures,
        artifacts=images.data_url(_without(opened, latents, [broken])) if broken else None,
    )


def _unit(made, maps, unit, threshold):
    """Returns a picture of the images that a unit is most active in, and beneath each where."""
    most = np.argsort(-maps[..., unit].max(axis=(1, 2)))[: dissection.NUM_EXAMPLES]
    active = dissection.resized(maps[most][..., [unit]], made.shape[1:3]) > threshold
    shown = np.broadcast_to(made[most], (*made[most].shape[:3], 3))
    pointed = np.where(active, shown, 0.4 * shown + 0.6 * _TINT)
    return images.grid(np.concatenate([shown, pointed]), len(most))


def _without(opened, latents, sets):
    """Returns a picture of images as they are, and in a row for each set without its units."""
    latents = latents[: dissection.NUM_EXAMPLES]
    rows = [opened.images_with(latents, units) for units in ([], *sets)]
    return images.grid(np.concatenate(rows), len(latents))
