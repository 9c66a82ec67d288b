"""Scores, one per file: numpy arrays in, numbers out. They know nothing of models or TensorFlow.

`METRICS` names them. Each is a function of its file's name whose arguments are named after what it
needs (see `evidence.Evidence`), and which returns a number, or a dict from a part's name to a
number. It raises `ValueError` with one sentence where its data cannot carry it. `PROTOCOL` in the
same file says how the number comes about; it goes into metrics.json with every score.
"""

import dataclasses
import importlib

from keras_infogan.config import UserError, did_you_mean


@dataclasses.dataclass(frozen=True)
class Metric:
    """What is known of a score before its file is loaded.

    Attributes:
      name: of its file and function.
      group: what it asks of a run: "generator" (the generator and the recognizer alone), "real"
        (codes read from real images, without labels), "labels", "factors", "images" (real ones, in
        a feature space), "reconstruction", "likelihood", "speech" (vectors of recordings) or
        "classes" (what a classifier says of real images).
      title: for a person.
      higher_is_better: True, False, or None where neither end is better.
    """

    name: str
    group: str
    title: str
    higher_is_better: bool | None = True

    @property
    def function(self):
        return getattr(self._module, self.name)

    @property
    def protocol(self):
        """How the number comes about, one text."""
        return self._module.PROTOCOL

    @property
    def _module(self):
        return importlib.import_module(f"{__name__}.{self.name}")


METRICS = {
    metric.name: metric
    for metric in (
        Metric("mutual_information", "generator", "Information bound (nats)"),
        Metric("read_back_accuracy", "generator", "Read back: accuracy of discrete codes"),
        Metric("read_back_r2", "generator", "Read back: R² of continuous codes"),
        Metric("effect", "generator", "Effect on the image (share of its variance)", None),
        Metric("gray_level_change", "generator", "Effect on the image (gray levels of 255)", None),
        Metric("isolation", "generator", "Isolation (share of the effect that no other code has)"),
        Metric("consistency", "real", "Consistency of categories on moved copies"),
        Metric(
            "clustering_accuracy", "labels", "Accuracy, categories matched to classes one to one"
        ),
        Metric("many_to_one_accuracy", "labels", "Accuracy, each category its commonest class"),
        Metric("normalized_mutual_information", "labels", "Normalized mutual information (NMI)"),
        Metric("adjusted_rand_index", "labels", "Adjusted Rand index (ARI)"),
        Metric("k_means_accuracy", "labels", "Accuracy of k-means on what the encoder says"),
        Metric("nearest_neighbor_accuracy", "labels", "Accuracy of the nearest neighbor"),
        Metric("factor_vae_score", "factors", "FactorVAE score"),
        Metric("beta_vae_score", "factors", "BetaVAE score"),
        Metric("mutual_information_gap", "factors", "Mutual information gap (MIG)"),
        Metric(
            "separated_attribute_predictability",
            "factors",
            "Separated attribute predictability (SAP)",
        ),
        Metric("dci", "factors", "Disentanglement, completeness, informativeness (DCI)"),
        Metric("modularity", "factors", "Modularity"),
        Metric("explicitness", "factors", "Explicitness"),
        Metric("interventional_robustness", "factors", "Interventional robustness score (IRS)"),
        Metric("attribute_flips", "factors", "Flips along attribute vectors"),
        Metric("frechet_distance", "images", "Fréchet distance", False),
        Metric("kernel_distance", "images", "Kernel distance", False),
        Metric("precision_recall", "images", "Precision and recall"),
        Metric("density_coverage", "images", "Density and coverage"),
        Metric("class_shares", "images", "Classes among generated images", None),
        Metric("reconstruction_error", "reconstruction", "Reconstruction error", False),
        Metric(
            "feature_reconstruction_error",
            "reconstruction",
            "Reconstruction error in features",
            False,
        ),
        Metric("log_likelihood", "likelihood", "Log likelihood (nats)"),
        Metric("bits_per_dimension", "likelihood", "Bits per dimension", False),
        Metric("word_accuracy", "speech", "Word, read by a fresh probe on unheard speakers", None),
        Metric(
            "speaker_accuracy", "speech", "Speaker, read by a fresh probe on unheard words", None
        ),
        Metric("classification_accuracy", "classes", "Accuracy of the classifier"),
    )
}
GROUPS = tuple(dict.fromkeys(metric.group for metric in METRICS.values()))


def chosen(text):
    """Returns the names of the scores in a list such as "dci,labels", groups expanded; all
    of them for "all".

    Raises:
      UserError: for a name that is neither a score nor a group.
    """
    names = []
    for name in (part.strip() for part in text.split(",")):
        if name not in ("all", *GROUPS, *METRICS):
            raise UserError(
                f"--metrics: unknown score {name!r}{did_you_mean(name, METRICS)}; give all, "
                f"{', '.join(GROUPS)}, or some of {', '.join(METRICS)}."
            )
        names += [
            metric.name for metric in METRICS.values() if name in ("all", metric.group, metric.name)
        ]
    return list(dict.fromkeys(names))
