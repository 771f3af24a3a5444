"""A preset of KerasHub is data: what its config names is not run, and its weights come from its own files."""

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest
import tensorflow as tf

from glr.model.hub import KerasHub
from tests.model.hub_networks import REST, SMALL, keras_hub

SIZES = SMALL["SigLIPVisionEncoder"] | {"num_layers": 1}


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    models, folder = keras_hub.models, tmp_path / "preset"
    tower = models.SigLIPVisionEncoder(**SIZES, image_shape=(16, 16, 3), name="v")
    text = models.SigLIPTextEncoder(9, 8, 16, 1, 2, 32, max_sequence_length=4, name="t")
    models.SigLIPBackbone(tower, text, projection_dim=16).save_to_preset(folder)
    return folder


def load(preset: Path) -> keras.Model:
    settings: dict[str, Any] = {"network": "SigLIPVisionEncoder", "architecture": SIZES, **REST, "image_size": 16}
    return KerasHub(**settings | {"weights": str(preset)})


def python(proof: Path) -> dict[str, Any]:
    """A layer that runs Python, as Keras would write it."""
    name = str(proof)
    layer: Any = keras.layers.Lambda(lambda x: (__import__("pathlib").Path(name).touch(), x)[1])
    serialized: Any = keras.saving.serialize_keras_object(layer)
    return serialized


def saved_model(proof: Path) -> dict[str, Any]:
    """A layer that runs a SavedModel, which writes a file."""

    class Program(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3])])
        def serve(self, images: tf.Tensor) -> tf.Tensor:
            tf.io.write_file(str(proof), "x")
            return images

    program, folder = Program(), str(proof.parent / "program")
    tf.saved_model.save(program, folder, signatures={"serve": program.serve.get_concrete_function()})
    return {
        "module": "keras.layers",
        "class_name": "TFSMLayer",
        "config": {"name": "v", "filepath": folder, "call_endpoint": "serve"},
        "registered_name": None,
    }


def command(proof: Path) -> dict[str, Any]:
    """A class of Python's library."""
    config = {"args": ["touch", str(proof)], "name": "v"}
    return {"module": "subprocess", "class_name": "Popen", "config": config, "registered_name": "Popen"}


@pytest.mark.parametrize("layer", [python, saved_model, command])
def test_what_a_config_names_is_not_run(preset: Path, tmp_path: Path, layer: Any):
    load(preset)
    file, proof = preset / "config.json", tmp_path / "proof"
    config = json.loads(file.read_text())
    config["config"]["vision_encoder"] = layer(proof)
    file.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"^weights=.*preset: ") as refused:
        load(preset)
    assert "\n" not in str(refused.value)
    assert not proof.exists()


@pytest.mark.parametrize("name", ["system", "Functional", "keras_hub>ImageClassifier"])
def test_a_preset_of_no_backbone_is_refused(preset: Path, name: str):
    file = preset / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"module": "os", "registered_name": name}))
    with pytest.raises(ValueError, match=r"^weights=.*preset: (Attempting to load class system|Saved preset has type)"):
        load(preset)


def test_weights_that_lie_in_another_file_are_refused(preset: Path, tmp_path: Path):
    with h5py.File(preset / "model.weights.h5", "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
        data: Any = file[names[-1]]
        shape, size = data.shape, data.nbytes
        (tmp_path / "secret").write_bytes(b"\0" * size)
        del file[names[-1]]
        file.create_dataset(names[-1], shape, "float32", external=[(tmp_path / "secret", 0, size)])
    with pytest.raises(ValueError, match=r"^weights=.*preset: "):
        load(preset)
