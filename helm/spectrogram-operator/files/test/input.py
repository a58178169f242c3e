"""The first part of `helm test`: writes a second of a tone to the claim, and removes what an earlier test left."""

import math
import shutil
import struct
import wave
from pathlib import Path

FOLDER = Path("/data/spectrogram-test")
RATE = 8000

shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir()
with wave.open(str(FOLDER / "tone.wav"), "wb") as recording:
    recording.setnchannels(1)
    recording.setsampwidth(2)
    recording.setframerate(RATE)
    samples = (round(20_000 * math.sin(2 * math.pi * 1000 * second / RATE)) for second in range(RATE))
    recording.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
print("wrote", FOLDER / "tone.wav")
