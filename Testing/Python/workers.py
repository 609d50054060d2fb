"""Work for processes of their own, which must be importable there."""

import os
import time

import torch
from ISTNRegistrationLib.data.batch import PairWork


class Square:
    """Squares a number, tells threads and process; some numbers end the process, are a fault, or take for ever."""

    def __call__(self, number):
        if number == 13:
            os._exit(7)
        if number == 99:
            time.sleep(600)
        return number * number // (0 if number < 0 else 1), torch.get_num_threads(), os.getpid()


class Crashing(PairWork):
    """The process ends in the middle of the pair whose moving image is b."""

    def __call__(self, job, on_progress=None):
        if "b.nii" in job[1].moving:
            os.kill(os.getpid(), 9) if hasattr(os, "fork") else os._exit(9)
        return super().__call__(job, on_progress)
