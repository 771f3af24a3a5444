"""`python -m glr.prepare`: turn images into TFRecord shards, or describe existing TFRecords."""

from omegaconf import DictConfig

from glr.config.command import command
from glr.config.printing import say
from glr.data.prepared import PreparedData


@command("prepare")
def main(config: DictConfig) -> PreparedData:
    """Prepare the data set that the config describes, or verify the existing data set."""
    from glr.config.component import build
    from glr.data.gldv2 import download
    from glr.data.opening import open_data
    from glr.data.report import REPORT, in_words

    if config.download:
        download(build(config.data.source), config.download_url, threads=config.workers)
    data = open_data(
        config.data,
        prepare=True,
        shard_images=config.shard_images,
        workers=config.workers,
        skip_bad=config.on_bad_image.value == "skip",
        skip_missing=config.on_missing_image.value == "skip",
        check=config.check_images.value == "decode",
        seed=config.seed,
    )
    counts = ", ".join(f"{data.images(split):,} {split}" for split in data.shards)
    say(f"{data.path}: {counts} images; {data.classes:,} train classes; every shard verified")
    if data.report:
        say(f"{in_words(data.report)}; see {data.file(REPORT)}")
    return data


if __name__ == "__main__":
    main()
