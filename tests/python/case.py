"""What the tests share: a folder of their own, the tool, a quick sweep."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import unittest

import fovea as fv

TASK = dict(name="copy", vocab_size=10, context_length=4)
MODEL = dict(n_embd=2)
TRAIN = dict(steps=40, batch_size=32)


def installed(module):
    return importlib.util.find_spec(module) is not None


def tool(*arguments, status=0):
    """What the tool prints."""
    done = subprocess.run([os.environ["FOVEA_TOOL"], *arguments], capture_output=True, text=True)
    if done.returncode != status:
        raise AssertionError(f"fovea {arguments} gave {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        here = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, here)

    def sweep(self, over=None, **changes):
        sections = {"task": TASK, "model": MODEL, "train": TRAIN}
        sections = {name: {**fields, **changes.pop(name, {})} for name, fields in sections.items()}
        changes.setdefault("progress", False)
        return fv.sweep(**sections, over=over, **changes)

    def refuses(self, sentence, function, *arguments, error=fv.UsageError, **named):
        with self.assertRaises(error) as caught:
            function(*arguments, **named)
        self.assertIn(sentence, str(caught.exception))
