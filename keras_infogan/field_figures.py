"""What the field has reached, to stand beside our numbers: per data set and score, a text with its
source. Protocols differ where the text says so.
"""

_MNIST = {
    "clustering_accuracy": (
        "0.95 InfoGAN paper (one run, picked); 0.910 ± 0.040 ClusterGAN (authors' repository, 10 "
        "runs); 0.945 VaDE; 0.843 DEC; "
        "0.984 ± 0.004 IMSAT, which clusters and generates nothing"
    ),
    "normalized_mutual_information": (
        "0.89 ClusterGAN paper (best); 0.854 ± 0.036 ClusterGAN, 10 runs"
    ),
    "adjusted_rand_index": "0.89 ClusterGAN paper (best); 0.829 ± 0.062 ClusterGAN, 10 runs",
    "log_likelihood/bound": (
        "-103.3 VAE of 128 latents, 2 x 256 units, fixed binarization "
        "(github.com/altosaar/variational-autoencoder)"
    ),
    "log_likelihood/importance_sampled": (
        "-89.8 VAE of 40 latents, fixed binarization, 200 samples "
        "(github.com/clementchadebec/benchmark_VAE); -97.1 altosaar"
    ),
    "mutual_information/digit": (
        "2.30 at the end, above 2.0 by about 30 steps, InfoGAN paper, Figure 1; "
        "a plain GAN 0.05 to 0.1"
    ),
}
_FASHION = {
    "clustering_accuracy": "0.63 ClusterGAN paper (best); 0.612 ± 0.023 ClusterGAN, 10 runs",
    "normalized_mutual_information": "0.64 ClusterGAN paper (best); 0.616 ClusterGAN, 10 runs",
    "adjusted_rand_index": "0.50 ClusterGAN paper (best); 0.462 ClusterGAN, 10 runs",
}
# 50 runs each for the InfoGAN rows, Lin et al. 2020, arXiv 1906.06034; 322,560 iterations.
_DSPRITES = {
    "factor_vae_score": (
        "dSprites: 0.82 InfoGAN (modified), 0.88 InfoGAN-CR; "
        "0.59 InfoGAN as usually reported; 0.83 FactorVAE"
    ),
    "beta_vae_score": "dSprites: 0.87 InfoGAN (modified), 0.95 InfoGAN-CR; 0.85 FactorVAE",
    "mutual_information_gap": (
        "dSprites: 0.22 InfoGAN (modified), 0.37 InfoGAN-CR; "
        "0.05 InfoGAN as usually reported; 0.43 FactorVAE"
    ),
    "separated_attribute_predictability": (
        "dSprites: 0.41 InfoGAN (modified), 0.58 InfoGAN-CR; 0.57 FactorVAE"
    ),
    "dci/disentanglement": (
        'dSprites ("DCI"): 0.60 InfoGAN (modified), 0.71 InfoGAN-CR; 0.41 InfoGAN as usually '
        "reported; 0.74 FactorVAE"
    ),
    "modularity": "dSprites: 0.94 InfoGAN (modified), 0.96 InfoGAN-CR; 0.79 FactorVAE",
    "explicitness": "dSprites: 0.82 InfoGAN (modified), 0.85 InfoGAN-CR; 0.79 FactorVAE",
}
_FIGURES = {
    "mnist": _MNIST,
    "fashion_mnist": _FASHION,
    "dsprites": _DSPRITES,
    "sprites": _DSPRITES,
    "sprites_32x32": _DSPRITES,
}


def field_figure(dataset, score):
    """Returns the field's figure for a score of a data set, or of the part of it that `score` names
    ("dci/disentanglement"); "" where we know of none.
    """
    figures = _FIGURES.get(dataset, {})
    return figures.get(score) or figures.get(score.split("/")[0], "")
