"""What the definition takes and refuses of a spec, in which words."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from cluster.api import Body
from cluster.conftest import CRD

SIX_LINES = """
apiVersion: spectrogram.dev/v1beta1
kind: SpectrogramJob
metadata: {name: fm-band}
spec:
  input: {claimName: recordings, path: 2026-11/fm.drf}
  output: {claimName: results}
"""
NAME = "is no name: write lower-case letters, digits, - and ., with a letter or digit at both ends"
QUANTITY = "is not a quantity: write a number with an optional unit, as in 512Mi or 2Gi"
REQUEST = f"{QUANTITY}, or auto"
DURATION = "is no duration: write a number and ms, s, m or h, as in 250ms or 10s"
IQ_CHANNELS = "channel names one signal, and the two iqChannels are one: remove channel or iqChannels"
CHANNEL = "is no channel: write letters, digits, _ . + - and spaces, as in ch0 or '1'"
QUEUE_NAME = "is no queue's name: write lower-case letters, digits, - and ., with a letter or digit at both ends"
ONE_ORDER = "priority orders the operator's own queues, and with queueName Kueue has the order: remove priority"
ADDRESS = "is no address of a file: write https://HOST/PATH/FILE, without user and without #"
ONE_SOURCE = "input is in one place: write one of claimName, store and url, and remove the others"
ONE_TARGET = "output goes to one place: write one of claimName and store, and remove the other"
PATH_NEEDED = "path is needed with claimName and store: write where the recording is in there"
PATH_AND_URL = "path does not go with url, which names the file itself: remove path"
RELATIVE = "must be relative to the claim or store: write it without a leading '/' and without '..'"
BELOW = "must name a folder below the claim or store: write its name, or remove path to take the job's name"
UNITS = "use one system of units: start and duration, or startSample and samples, or startTime and duration"
DATATYPE = "is no SigMF type: write r or c, then f32 f64 i16 i32 u16 u32 with _le or _be, or i8 or u8, as in cf32_le"
BAND = "frequencyRange.upper must be greater than lower: swap them or widen the band"
UNIT = "is no unit of power in dB: write one that begins with dB and does not name Hz, as in dBm"
CALIBRATION = "calibration and calibrationOffsetDb both say what to add: remove calibrationOffsetDb"
PIXELS = "width × height must not exceed 16 million pixels: make the picture smaller"
MEMORY = "must be at least 64Mi: write it with its unit, as in 512Mi or 2Gi"
CPU = "must be at least 50m: write cores, as in 2, or thousandths, as in 500m"
AUDIO_CENTER = "audio.centerFrequency is the centre of an I/Q band: add iq: true, or remove centerFrequency"
AUDIO_CHANNEL = "channel names one signal, and with audio.iq the two channels are one: remove channel or audio.iq"
SOFT = "softSeconds must be less than hardSeconds: lower softSeconds or raise hardSeconds"
NO_DURATION = "must be more than 0: remove it to process to the end"
NONE_BESIDE = "has none beside others: write [none], or remove it"
DECIBELS = "dbRange.max must be greater than min: swap them"
WINDOW = "window.length must not exceed fftSize: raise fftSize or shorten the window"
COLORMAP = "is no colour map: write a name of matplotlib's, as in magma or viridis"
TWICE = "names an entry twice: remove one of them"
SLOW = "is too small: write at least 1e-06 Hz"
NARROW = "is too small: write at least 0.1 samples"
IMMUTABLE = (
    "spec cannot be changed except suspend, cancelled, priority and ttlSecondsAfterFinished: create a new job instead"
)
ONE_WAY = "cancelled cannot be set back to false: create a new job instead"

CRD_SCHEMA: Body = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
CRD_SPEC: Body = CRD_SCHEMA["properties"]["spec"]

ACCEPTED = """
input: {format: SigMF, channel: '1', capture: 0, size: 12Gi}
input: {format: DigitalRF, channel: ch0, subchannel: 3, size: 500000000}
input: {format: Raw, raw: {datatype: cf32_le, sampleRate: 2.4e+6, centerFrequency: 1.0e+8}}
input: {raw: {datatype: ru8, sampleRate: 0.000001, centerFrequency: -5}}
input: {format: Audio, audio: {iq: true, centerFrequency: 1.0e+8}}
input: {format: Audio, channel: '1', audio: {iq: false}}
input: {format: Raw, raw: {datatype: ri16_le, sampleRate: 1, channels: 4}, iqChannels: [3, 1]}
input: {format: NumPy, raw: {sampleRate: 1000}}
input: {range: {start: 10s, duration: 1.5m}}
input: {range: {startSample: 4611686018427387904, samples: 1}}
input: {range: {startTime: '2026-11-01T12:00:00Z', duration: 250ms}}
input: {path: ./a/...b/c..d}
input: {claimName: null, store: archive}
input: {claimName: null, store: archive, path: survey/fm.sigmf-meta, format: SigMF, size: 12Gi}
input: {claimName: null, path: null, url: 'https://data.example.org/2026/fm.sigmf'}
input: {claimName: null, path: null, url: 'https://DATA.example.org:8443/a%20b/~(1).wav?key=A/b+c=&d=?'}
input: {claimName: null, path: null, url: 'https://a/b', format: Raw, raw: {datatype: cu8, sampleRate: 1000}}
output: {claimName: null, store: results}
output: {claimName: null, store: results.of-2026, path: survey/fm-band}
transform: {fftSize: 8, hopSize: 1073741824}
transform: {fftSize: 1048576, hopSize: 1, window: {name: kaiser, length: 1048576, beta: 0}}
transform: {window: {name: tukey, alpha: 1}, scaling: spectrum, detrend: constant, precision: double}
transform: {window: {stdDev: 0.1}, calibrationOffsetDb: -1000}
transform: {scaling: spectrum, calibration: {offsetDb: 1000, unit: dBm}}
transform: {calibration: {offsetDb: -30, unit: dB(µV²)}}
reduce: {time: [none]}
reduce: {time: [min, mean, max], columns: 65536}
frequencyRange: {lower: -1.5e+6, upper: -1.4e+6}
output: {path: survey/fm-band, formats: [npz]}
output: {formats: [zarr, hdf5]}
output: {formats: [npz, png], image: {colormap: viridis, width: 4000, height: 4000, dbRange: {min: -120, max: -40}}}
resources: {memory: 64Mi, cpu: 50m}
resources: {memory: 67108864, cpu: 1}
resources: {memory: 1.5Gi, cpu: '2'}
resources: {memory: 2e9}
resources: {memory: auto}
timeLimits: {softSeconds: 599, hardSeconds: 600}
timeLimits: {hardSeconds: 31536000}
chunking: {mode: always, thresholdMegabytes: 1}
queue: large_jobs
queueName: team-a.of-2026
{queueName: team-a, queue: large_jobs, priority: 0}
retry: {limit: 0, zombies: Retry}
{priority: 1000, suspend: true, cancelled: true}
ttlSecondsAfterFinished: 0
ttlSecondsAfterFinished: 2147483647
"""
REFUSED: dict[str, str] = {
    "input: null": "spec.input: Required value",
    "output: null": "spec.output: Required value",
    "input: {claimName: null}": ONE_SOURCE,
    "input: {store: archive}": ONE_SOURCE,
    "input: {url: 'https://a/b'}": ONE_SOURCE,
    "input: {claimName: null, path: null, store: archive, url: 'https://a/b'}": ONE_SOURCE,
    "input: {path: null}": PATH_NEEDED,
    "input: {claimName: null, path: null, store: archive}": PATH_NEEDED,
    "input: {claimName: null, url: 'https://a/b'}": PATH_AND_URL,
    "input: {claimName: null, store: Archive}": NAME,
    "input: {claimName: null, store: archive, path: ../fm.drf}": RELATIVE,
    "input: {claimName: null, store: archive, path: /fm.drf}": RELATIVE,
    "output: {claimName: null}": ONE_TARGET,
    "output: {store: results}": ONE_TARGET,
    "output: {claimName: null, store: a/b}": NAME,
    "output: {claimName: null, store: results, path: ..}": RELATIVE,
    "output: {claimName: null, url: 'https://a/b'}": 'unknown field "spec.output.url"',
    f"input: {{claimName: null, path: null, url: 'https://a/{'a' * 2048}'}}": "may not be more than 2048 bytes",
    **{
        f"input: {{claimName: null, path: null, url: '{url}'}}": ADDRESS
        for url in (
            "",
            "http://data.example.org/a.wav",
            "HTTPS://data.example.org/a.wav",
            "file:///etc/passwd",
            "s3://archive/a.wav",
            "data.example.org/a.wav",
            "https://data.example.org",
            "https://data.example.org/",
            "https://data.example.org/2026/",
            "https://data.example.org/2026/..",
            "https://data.example.org/a.wav#t=10",
            "https://data.example.org/a b.wav",
            "https://data.example.org/ä.wav",
            "https://dätä.example.org/a.wav",
            "https://me@data.example.org/a.wav",
            "https://me:secret@data.example.org/a.wav",
            "https://data.example.org.@evil.example/a.wav",
            "https://data.example.org\\\\@evil.example/a.wav",
            "https://data.example.org./a.wav",
            "https://data..example.org/a.wav",
            "https://-data.example.org/a.wav",
            "https://data_base.example.org/a.wav",
            "https://[fd00::1]/a.wav",
            "https://data.example.org:0/a.wav",
            "https://data.example.org:65536/a.wav",
            "https://data.example.org:/a.wav",
            "https:///a.wav",
            "https://data.example.org?/a.wav",
        )
    },
    "frequencyRange: {lower: 1}": "spec.frequencyRange.upper: Required value",
    "output: {image: {dbRange: {min: 0}}}": "spec.output.image.dbRange.max: Required value",
    "input: {claimName: Recordings}": NAME,
    "output: {claimName: a/b}": NAME,
    "input: {path: ../fm.drf}": RELATIVE,
    "input: {path: a/../../b}": RELATIVE,
    "input: {path: /etc/passwd}": RELATIVE,
    "input: {path: ''}": "should be at least 1 chars long",
    f"input: {{path: {'a' * 513}}}": "may not be more than 512 bytes",
    "output: {path: /srv}": RELATIVE,
    "output: {path: a/..}": RELATIVE,
    "output: {path: ./.}": BELOW,
    "input: {format: wav}": 'supported values: "Auto", "DigitalRF", "SigMF"',
    "input: {audio: {centerFrequency: 1.0e+8}}": AUDIO_CENTER,
    "input: {audio: {iq: false, centerFrequency: 1.0e+8}}": AUDIO_CENTER,
    "input: {channel: '0', audio: {iq: true}}": AUDIO_CHANNEL,
    "input: {channel: '0', iqChannels: [0, 1]}": IQ_CHANNELS,
    "input: {iqChannels: [1, 1]}": TWICE,
    "input: {iqChannels: [0]}": "should have at least 2 items",
    "input: {iqChannels: [0, 1, 2]}": "must have at most 2 items",
    "input: {raw: {channels: 0}}": "greater than or equal to 1",
    "input: {channel: ../x}": CHANNEL,
    "input: {channel: 0}": "must be of type string",
    "input: {subchannel: -1}": "greater than or equal to 0",
    "input: {capture: 1000001}": "less than or equal to 1000000",
    "input: {size: 12 GB}": QUANTITY,
    "input: {size: -5}": QUANTITY,
    "input: {size: true}": "must be of type integer,string",
    "input: {raw: {datatype: complex64}}": DATATYPE,
    "input: {raw: {datatype: cf32}}": DATATYPE,
    "input: {raw: {sampleRate: 0}}": SLOW,
    "input: {raw: {sampleRate: 2.4M}}": "must be of type number",
    "input: {range: {start: 10 s}}": DURATION,
    "input: {range: {duration: '10'}}": DURATION,
    "input: {range: {duration: 0.0s}}": NO_DURATION,
    "input: {range: {start: 1s, samples: 5}}": UNITS,
    "input: {range: {start: 1s, startTime: '2026-11-01T12:00:00Z'}}": UNITS,
    "input: {range: {startSample: 1, duration: 1s}}": UNITS,
    "input: {range: {startTime: yesterday}}": "must be of type date-time",
    "input: {range: {samples: 0}}": "greater than or equal to 1",
    "transform: {fftSize: 4}": "greater than or equal to 8",
    "transform: {fftSize: 1048577}": "less than or equal to 1048576",
    "transform: {fftSize: 1024.5}": "must be of type integer",
    "transform: {fftSize: '1024'}": "must be of type integer",
    "transform: {hopSize: 0}": "greater than or equal to 1",
    "transform: {window: {name: hanning}}": 'supported values: "gaussian", "hann"',
    "transform: {window: {length: 1025}}": WINDOW,
    "transform: {window: {stdDev: 0}}": NARROW,
    "transform: {window: {stdDev: 0.05}}": NARROW,
    "transform: {window: {alpha: 1.5}}": "less than or equal to 1",
    "transform: {scaling: psd}": 'supported values: "density", "spectrum"',
    "transform: {detrend: linear}": 'supported values: "none", "constant"',
    "transform: {precision: float64}": 'supported values: "single", "double"',
    "transform: {calibrationOffsetDb: 1001}": "less than or equal to 1000",
    "transform: {calibration: {offsetDb: 1001, unit: dBm}}": "less than or equal to 1000",
    "transform: {calibration: {offsetDb: 1, unit: dBm/Hz}}": UNIT,
    "transform: {calibration: {offsetDb: 1, unit: mW}}": UNIT,
    "transform: {calibration: {offsetDb: 1, unit: dBm}, calibrationOffsetDb: 0}": CALIBRATION,
    "reduce: {time: [none, max]}": NONE_BESIDE,
    "reduce: {time: [max, max]}": TWICE,
    "reduce: {time: []}": "should have at least 1 items",
    "reduce: {time: [median]}": 'supported values: "max", "mean", "min", "none"',
    "reduce: {columns: 65537}": "less than or equal to 65536",
    "frequencyRange: {lower: 2, upper: 1}": BAND,
    "output: {formats: [png, png]}": TWICE,
    "output: {formats: [jpeg]}": 'supported values: "png", "npz", "zarr", "hdf5"',
    "output: {image: {width: 16000, height: 16000}}": PIXELS,
    "output: {image: {cells: median}}": 'supported values: "auto", "max", "mean"',
    "output: {image: {width: 63}}": "greater than or equal to 64",
    "output: {image: {colormap: hot cold}}": COLORMAP,
    "output: {image: {dbRange: {min: 0, max: -10}}}": DECIBELS,
    "resources: {memory: 63Mi}": MEMORY,
    "resources: {memory: 1024}": MEMORY,
    "resources: {memory: 1GB}": REQUEST,
    "resources: {memory: -1Gi}": REQUEST,
    "resources: {memory: Auto}": REQUEST,
    "resources: {cpu: auto}": QUANTITY,
    "resources: {cpu: 49m}": CPU,
    "resources: {cpu: 0}": CPU,
    "timeLimits: {softSeconds: 900, hardSeconds: 900}": SOFT,
    "timeLimits: {softSeconds: 0}": "greater than or equal to 1",
    "chunking: {mode: 'on'}": 'supported values: "auto", "always", "never"',
    "chunking: {thresholdMegabytes: 0}": "greater than or equal to 1",
    "queue: large": 'supported values: "auto", "default", "large_jobs"',
    "priority: 1001": "less than or equal to 1000",
    "priority: -1": "greater than or equal to 0",
    "queueName: Team": QUEUE_NAME,
    "queueName: a/b": QUEUE_NAME,
    f"queueName: {'q' * 64}": "may not be more than 63",
    "{queueName: team-a, priority: 1}": ONE_ORDER,
    "ttlSecondsAfterFinished: -1": "greater than or equal to 0",
    "ttlSecondsAfterFinished: 2147483648": "less than or equal to 2147483647",
    "ttlSecondsAfterFinished: 1h": "must be of type integer",
    "retry: {limit: 11}": "less than or equal to 10",
    "retry: {zombies: retry}": 'supported values: "Fail", "Retry"',
    "suspend: 'yes'": "must be of type boolean",
    "transfrom: {fftSize: 512}": 'strict decoding error: unknown field "spec.transfrom"',
    "output: {image: {colourmap: magma}}": 'unknown field "spec.output.image.colourmap"',
    "image: docker.io/somebody/else": 'unknown field "spec.image"',
    "input: {secretName: s3}": 'unknown field "spec.input.secretName"',
}
# What the API server names with each rule of ours: the field that is to be changed, or what several of them are in.
NAMED: dict[str, set[str]] = {
    QUEUE_NAME: {"queueName"},
    ONE_ORDER: {"priority"},
    ONE_SOURCE: {"input"},
    ONE_TARGET: {"output"},
    PATH_NEEDED: {"input.path"},
    PATH_AND_URL: {"input.path"},
    NAME: {"input.claimName", "input.store", "output.claimName", "output.store"},
    ADDRESS: {"input.url"},
    RELATIVE: {"input.path", "output.path"},
    BELOW: {"output.path"},
    QUANTITY: {"input.size", "resources.cpu"},
    REQUEST: {"resources.memory"},
    CHANNEL: {"input.channel"},
    IQ_CHANNELS: {"input.channel"},
    AUDIO_CHANNEL: {"input.channel"},
    AUDIO_CENTER: {"input.audio.centerFrequency"},
    DATATYPE: {"input.raw.datatype"},
    SLOW: {"input.raw.sampleRate"},
    DURATION: {"input.range.start", "input.range.duration"},
    NO_DURATION: {"input.range.duration"},
    UNITS: {"input.range"},
    TWICE: {"input.iqChannels", "reduce.time", "output.formats"},
    WINDOW: {"transform.window.length"},
    NARROW: {"transform.window.stdDev"},
    UNIT: {"transform.calibration.unit"},
    CALIBRATION: {"transform.calibrationOffsetDb"},
    NONE_BESIDE: {"reduce.time"},
    BAND: {"frequencyRange.upper"},
    PIXELS: {"output.image"},
    COLORMAP: {"output.image.colormap"},
    DECIBELS: {"output.image.dbRange.max"},
    MEMORY: {"resources.memory"},
    CPU: {"resources.cpu"},
    SOFT: {"timeLimits.softSeconds"},
}


def document(snippet: str) -> Body:
    """The six-line job with this snippet merged into its spec; null removes a field."""
    body: Body = yaml.safe_load(SIX_LINES)
    merge(body["spec"], yaml.safe_load(snippet))
    return body


def merge(target: Body, changes: Body) -> None:
    for name, value in changes.items():
        if value is None:
            del target[name]
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            merge(target[name], value)
        else:
            target[name] = value


def named(field: str, words: str) -> str:
    """A regular expression: this field, and its words. Some versions write its type or value between them."""
    return rf"{field}: Invalid value: (?:(?:(?!Invalid value).)*: )?{re.escape(words)}"


def rule_messages(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get("x-kubernetes-validations", ()))
        for child in node.values():
            yield from rule_messages(child)
    elif isinstance(node, list):
        for child in node:
            yield from rule_messages(child)
