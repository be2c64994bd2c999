#!/usr/bin/env python3
"""The runner of command tests, tested: what must pass passes, and what must fail fails."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import run


def verdict(text):
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as out:
        path = Path(folder) / "case.test"
        path.write_text(text)
        return run.run_file("/bin/echo", path), out.getvalue()


class Runner(unittest.TestCase):
    def test_exact_output_and_code(self):
        self.assertTrue(verdict("# why\n$ echo a; echo b >&2; exit 3\na\nb\n? 3\n")[0])
        self.assertTrue(verdict("$ $FOVEA one\none\n\n$ pwd | wc -l\n1\n")[0])

    def test_paths_that_need_quotes(self):
        with tempfile.TemporaryDirectory() as folder:
            tool = Path(folder) / "with a space" / "echo"
            tool.parent.mkdir()
            tool.symlink_to("/bin/echo")
            with tempfile.TemporaryDirectory() as links:
                self.assertNotIn(" ", str(run.plain(tool, links)))
                self.assertNotIn(" ", str(run.plain(tool.parent, links)))
            case = Path(folder) / "case.test"
            case.write_text("$ $FOVEA one\none\n")
            self.assertTrue(run.run_file(tool, case))

    def test_wrong_output_is_shown(self):
        good, out = verdict("$ echo a\nb\n")
        self.assertFalse(good)
        self.assertIn("-b\n+a", out)

    def test_wrong_code_fails(self):
        self.assertFalse(verdict("$ exit 1\n")[0])
        self.assertFalse(verdict("$ true\n? 2\n")[0])

    def test_missing_and_extra_lines_fail(self):
        self.assertFalse(verdict("$ echo a; echo b\na\n")[0])
        self.assertFalse(verdict("$ echo a\na\nb\n")[0])

    def test_wildcards(self):
        self.assertTrue(verdict("$ echo 'took 0.3 s (fast)'\ntook [..] s (fast)\n")[0])
        self.assertFalse(verdict("$ echo 'took 0.3 s'\ntook [..] ms\n")[0])
        self.assertTrue(verdict("$ seq 9\n1\n...\n5\n...\n9\n")[0])
        self.assertTrue(verdict("$ true\n...\n")[0])
        self.assertFalse(verdict("$ seq 9\n1\n...\n12\n...\n")[0])

    def test_commands_share_a_fresh_folder(self):
        self.assertTrue(verdict("$ ls\n$ touch x\n$ ls\nx\n")[0])

    def test_file_without_commands_fails(self):
        self.assertFalse(verdict("# nothing\n")[0])


if __name__ == "__main__":
    unittest.main()
