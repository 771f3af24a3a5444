"""MLflow's page of a study: its description and its saved view, written from its runs."""

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException, RestException

from glr.config.usages import USAGES, main_score, score_name
from glr.tracking.description import VIEW, may_write, of_study, written
from glr.tracking.entries import StudyPage, now
from glr.tracking.store import version
from glr.tracking.view import OLDEST, TAG, columns, tag_value

_NEWEST = 200  # runs whose settings are compared


def show(client: MlflowClient, experiment_id: str, entry: StudyPage) -> bool:
    """Write the description and the saved view of a study; return whether it has a view.

    What a user has changed stays. A store that refuses them shows its own columns, which is no failure.
    """
    try:
        return _write(client, experiment_id, entry)
    except MlflowException as error:
        if isinstance(error, RestException) or error.error_code == "INVALID_PARAMETER_VALUE":
            return False
        raise


def _write(client: MlflowClient, experiment_id: str, entry: StudyPage) -> bool:
    study = client.get_experiment(experiment_id)
    tags = {}
    if entry.command and may_write(study.tags):
        text = of_study(study.name, entry.command, _best(client, experiment_id))
        tags |= written(text, experiment_id, "")
    has_view = version(client.tracking_uri) >= OLDEST
    if has_view:
        runs, name = client.search_runs([experiment_id], max_results=_NEWEST), TAG.format(VIEW)
        view = tag_value(columns(runs, entry.settings), study.tags.get(name), now())
        tags |= {} if view is None else {name: view}
    for key, value in tags.items():
        client.set_experiment_tag(experiment_id, key, value)
    return has_view


def _best(client: MlflowClient, experiment_id: str) -> tuple[str, str, float] | None:
    """The id, name and score of the study's best run."""
    for name in map(score_name, USAGES):
        order = [f"metrics.{name} DESC"]
        query = f"tags.kind = 'train' AND attributes.status != 'FAILED' AND metrics.{name} > -1"
        runs = client.search_runs([experiment_id], query, ViewType.ACTIVE_ONLY, 1, order)
        if runs and (score := main_score(runs[0].data.metrics)) is not None:
            return runs[0].info.run_id, str(runs[0].info.run_name), score
    return None
