"""Figures of other libraries, for the worked example of `test_oracles.py`; the project does not depend on them.

python -m venv /tmp/oracles && /tmp/oracles/bin/pip install ranx==0.3.21 statsmodels==0.15.0
/tmp/oracles/bin/python tests/statistics/oracles.py
"""

from collections.abc import Iterator

import numpy as np

P_VALUES = (0.001, 0.03, 0.012, 0.2, 0.04, 0.03)


def rankings(system: int) -> Iterator[list[int]]:
    """Yield the ranking of 60 images for each of 40 queries; images 0 .. 4 are relevant. System 1 is better."""
    random = np.random.default_rng(11)
    for _ in range(40):
        scores = random.random((2, 60))
        scores[:, :5] += [[0.3], [0.4]]
        yield np.argsort(-scores[system]).tolist()


def main() -> None:
    import ranx  # pyright: ignore[reportMissingImports]
    from ranx.statistical_tests import fisher_randomization_test  # pyright: ignore[reportMissingImports]
    from statsmodels.stats.multitest import multipletests  # pyright: ignore[reportMissingImports]

    relevant = ranx.Qrels({f"q{number}": {str(image): 1 for image in range(5)} for number in range(40)})
    precisions = []
    for system in range(2):
        ranked = {
            f"q{number}": {str(image): 1 / rank for rank, image in enumerate(each, 1)}
            for number, each in enumerate(rankings(system))
        }
        precisions.append(ranx.evaluate(relevant, ranx.Run(ranked), "map@100", return_mean=False))
    print("ranx: mAP@100", [float(values.mean()) for values in precisions])
    print("ranx: p of Fisher's randomisation test", fisher_randomization_test(*precisions, n_permutations=1_000_000)[0])
    print("statsmodels: Holm", multipletests(P_VALUES, method="holm")[1].tolist())


if __name__ == "__main__":
    main()
