"""temporary"""

import numpy as np

from glr.retrieval.metrics import recognition_metrics, retrieval_metrics


def evaluate(index_ids, index_classes, index, query_ids, queries, retrieval, recognition, *, k=100, neighbors=1):
    s = queries @ index.T
    o = np.argsort(-s, 1, kind="stable")[:, :k]
    pred = {q: [index_ids[j] for j in o[i]] for i, q in enumerate(query_ids)}
    rec = {q: (index_classes[o[i, 0]], float(s[i, o[i, 0]])) for i, q in enumerate(query_ids)}
    out = {}
    for u in ("Public", "Private"):
        for n, v in (
            retrieval_metrics(retrieval.split(u), pred) | recognition_metrics(recognition.split(u), rec)
        ).items():
            out[f"{u.lower()}/{n}"] = v
    return out
