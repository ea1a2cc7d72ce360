#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""harmofl-prepare and images that lie, lead elsewhere or have strange names."""

import os
import shutil
import subprocess

import hostile
import support


class Images(hostile.HostileTest):
    """A site of four images, one of which is hostile."""

    def setUp(self):
        super().setUp()
        self.site = self.folder / "images" / "site"
        self.site.mkdir(parents=True)
        for number in range(4):
            self.add(f"i{number}")

    def add(self, name, height=16, width=16, **options):
        hostile.write_png(self.site / f"{name}.png", height, width, **options)
        hostile.write_png(self.site / f"{name}_mask.png", 16, 16)

    def prepare(self, *arguments, **options):
        words = ("images", "--input", self.folder / "images", "--output", self.folder / "out")
        return hostile.run((support.PREPARE, *words, *arguments), **options)

    def refuses(self, *texts, memory=hostile.MOST_MEMORY, arguments=()):
        before = hostile.contents(self.folder)
        self.is_refusal(self.prepare(*arguments), 1, *texts, memory=memory)
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        self.is_as_before(before, self.folder)

    def test_a_small_file_of_a_billion_pixels(self):
        path = self.site / "i1.png"
        hostile.write_png(path, 32768, 32768, bits=1)
        self.assertLess(path.stat().st_size, 1 << 20)
        self.refuses(path)
        self.refuses(path, arguments=("--size", "16x16"))

    def test_what_cannot_be_read(self):
        path = self.site / "i1.png"
        nowhere = self.folder / "nowhere.png"
        makers = (
            ("dangling link", lambda: path.symlink_to(nowhere)),
            ("FIFO", lambda: os.mkfifo(path)),
            ("folder", path.mkdir),
        )
        for name, make in makers:
            for file in (path, self.site / "i1_mask.png"):
                if file.is_dir():
                    shutil.rmtree(file)
                file.unlink(missing_ok=True)
            make()
            with self.subTest(attack=name):
                self.refuses(path)

    def test_a_dangling_folder_of_a_site(self):
        (self.folder / "images" / "other").symlink_to(self.folder / "nowhere")
        self.refuses(self.folder / "images" / "other")

    def test_names_of_sites(self):
        for name in ("a\nb", "\x1b[31mred", "a\x7fb", b"a\xffb".decode(errors="surrogateescape")):
            with self.subTest(attack=repr(name)):
                shutil.rmtree(self.folder / "images")
                self.site = self.folder / "images" / name
                self.site.mkdir(parents=True)
                self.add("i0")
                self.refuses("site")

    def test_a_broken_pipe_and_a_full_disk_behind_stdout(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            words = (support.PREPARE, "images", "--input", self.folder / "images")
            words = [*map(str, words), "--output", str(self.folder / "out")]
            done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("No space left on device", done.stderr)

    def foreground(self, mask):
        """The share of foreground that the shard has of an image with this mask of 16 rows."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        shutil.rmtree(self.site)
        self.site.mkdir()
        self.add("i0")
        mask(self.site / "i0_mask.png")
        result = self.prepare("--split", "100/0/0")
        if result.code != 0:
            self.is_refusal(result, 1, self.site / "i0_mask.png")
            return None
        with support.h5(self.folder / "out" / "site.h5") as shard:
            return shard["train/masks"][()].mean()

    def test_masks_of_any_depth_keep_their_foreground_or_are_refused(self):
        def one_in(bits, value):
            row = int(f"{value:0{bits}b}" + "0" * (15 * bits), 2).to_bytes(2 * bits, "big")
            return lambda path: hostile.write_png(path, 16, 16, bits=bits, rows=(b"\0" + row) * 16)

        for bits, value in ((1, 1), (2, 3), (2, 1), (4, 1), (8, 1), (8, 255), (16, 1), (16, 40), (16, 65535)):
            with self.subTest(bits=bits, value=value):
                self.assertIn(self.foreground(one_in(bits, value)), (1 / 16, None))
        self.assertEqual(self.foreground(one_in(1, 1)), 1 / 16)
        self.assertEqual(self.foreground(one_in(8, 255)), 1 / 16)

    def test_files_that_are_cut_off_or_changed(self):
        path = self.site / "i1.png"
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[45] ^= 1
        chunk = b"\0\0\0\4CgBI\x50\0\x20\2" + b"\x2b\xd5\xb3\x7f"
        for name, content in (
            ("empty", b""),
            ("cut off", whole[:50]),
            ("without its end", whole[:-12]),
            ("a flipped bit", bytes(flipped)),
            ("of another program", whole[:8] + chunk + whole[8:]),
            ("JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(100)),
        ):
            with self.subTest(attack=name):
                path.write_bytes(content)
                self.refuses(path, "PNG")

    def test_what_lies_where_a_shard_is_to_be_written(self):
        out = self.folder / "out"
        victim = self.folder / "victim"
        for name, make in (
            ("FIFO", lambda: os.mkfifo(out / "site.h5")),
            ("folder", (out / "site.h5").mkdir),
            ("link", lambda: (out / "site.h5").symlink_to(victim)),
        ):
            for arguments in ((), ("--overwrite",)):
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                victim.write_text("precious")
                make()
                with self.subTest(attack=name, arguments=arguments):
                    result = self.prepare(*arguments)
                    self.assertEqual(victim.read_text(), "precious")
                    if name != "link" or result.code != 0:
                        self.is_refusal(result, 1, out / "site.h5")

    def test_lists_that_lead_elsewhere(self):
        path = self.folder / "list.csv"
        head = "id,site,path,mask,split\n"
        for line, text in (
            ("a,s,../../../../etc/passwd,site/i0_mask.png,", "passwd"),
            ("a,s,/dev/zero,site/i0_mask.png,", "/dev/zero"),
            ("a,../x,site/i0.png,site/i0_mask.png,", "../x"),
            ('a,"x\nerror: forged\x1b[31m",site/i0.png,site/i0_mask.png,', "forged"),
            ("a,s,site/i0.png,site/i0_mask.png,bogus", "bogus"),
        ):
            with self.subTest(attack=text):
                path.write_text(head + line + "\n")
                self.refuses(text, arguments=("--list", path))
        path.write_bytes(
            (head + "a,s\udcff,site/i0.png,site/i0_mask.png,\n").encode(errors="surrogateescape")
        )
        self.refuses("UTF-8", arguments=("--list", path))
        path.write_text("id,site,path,mask," + ",".join(f"c{number}" for number in range(1_000_000)) + "\n")
        self.refuses("no images", arguments=("--list", path))


if __name__ == "__main__":
    support.main()
