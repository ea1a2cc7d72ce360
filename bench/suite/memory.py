"""Memory of a rank: with many clients, and against what a step needs."""

from .cluster import CNN
from .figures import figure
from .programs import mpirun, rounds, run, synthesize, train


def memory(quick, folder):
    """Peak memory of a rank for 2,000 clients against 20 with the same images."""
    train_images = 100 if quick else 500
    synthesize(folder / "many", 4, train_images, "32x32")
    found = {}
    for clients in (20, 4 * train_images):
        output = folder / f"memory-{clients}"
        run(mpirun(2, *train(folder / "many", output, *CNN, "--data.partition", "iid",
                             "--data.clients", clients, "--run.rounds", 2)))
        found[clients] = [rounds(output)[-1]["peak_memory_bytes"]["max"]]
    (few, least), (many, most) = found.items()
    yield figure("memory", most, least, "flat", "bytes",
                 f"peak memory of a rank of two: {many} clients over {few} with the same images")
