# SPDX-License-Identifier: Apache-2.0
"""The rounds of a run in plain PyTorch, written from the description of the methods only.

It shares no code with the program that it checks, and it goes for the shortest formula, not for
speed: one client after the other, on the CPU, in the type of the images (float32), autograd for
every added term.

    settings        what of config.ini matters
    inputs          shards, partitions, checkpoints
    random_numbers  Philox and what is drawn from it
    batches         orders of images, augmentation
    rounds          cohorts, simulated devices
    networks        CNN and U-Net
    tensors         models as named tensors and as vectors, norms, errors
    amplitude       amplitude normalisation
    local_step      losses, optimisers, weight perturbation, a client's epochs
    server_methods  FedAvg and the methods with another step of the server
    methods         the methods with other local work, and the table of all
    simulation      all rounds of a run
    comparison      what is printed
"""
