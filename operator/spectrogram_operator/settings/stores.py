"""The data stores and the hosts of web addresses: SPECTROGRAM_STORES and SPECTROGRAM_ALLOWED_URL_HOSTS, JSON with the
fields that the chart's values have. No secret is among them: a store names the Secret that opens it.
"""

from typing import Annotated

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from spectrogram_operator.api.job import describe
from spectrogram_operator.api.spec import ClaimName
from spectrogram_operator.core.policy import Store
from spectrogram_worker.contract.addresses import ALLOWED_HOST_PATTERN, HOST_PATTERN, PORT_PATTERN
from spectrogram_worker.contract.base import RELATIVE_PATH, Model, Rule, pattern_rule
from spectrogram_worker.contract.document import Bucket

Endpoint = Annotated[
    str,
    StringConstraints(max_length=512),
    pattern_rule(
        rf"https?://{HOST_PATTERN}(:{PORT_PATTERN})?",
        "is no endpoint: write https://HOST or https://HOST:PORT, or http:// within a cluster; no path",
    ),
]
AllowedHost = Annotated[
    str,
    StringConstraints(max_length=253, to_lower=True),
    pattern_rule(
        ALLOWED_HOST_PATTERN,
        "is no host: write data.example.org, *.example.org for every host below it, or data.example.org:8443",
    ),
]
BucketName = Annotated[
    str,
    pattern_rule(
        "[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]",
        "is no bucket: write its name alone, letters, digits, . _ and -, as in recordings",
    ),
]
Region = Annotated[str, pattern_rule("[a-z0-9-]{1,64}", "is no region: write its name, as in eu-central-1")]


class StoreSettings(Model):
    """One store as the platform team writes it: `claimName` alone, or `bucket` and what belongs to it."""

    claim_name: ClaimName | None = None
    bucket: BucketName | None = None
    endpoint: Endpoint | None = None
    prefix: Annotated[str, StringConstraints(max_length=512), RELATIVE_PATH] | None = None
    region: Region | None = None
    credentials_secret: ClaimName | None = None
    service_account: ClaimName | None = None
    rules = (
        Rule(
            cel="has(self.claimName) != has(self.bucket)",
            message="a store is a claim or a bucket: write one of claimName and bucket",
            holds=lambda store: (store.claim_name is None) != (store.bucket is None),
        ),
        Rule(
            cel="!has(self.claimName) || [has(self.endpoint), has(self.prefix), has(self.region),"
            " has(self.credentialsSecret), has(self.serviceAccount)].all(x, !x)",
            message="a claim has no endpoint, prefix, region, Secret or account: write claimName alone",
            holds=lambda store: store.claim_name is None or set(store.to_document()) == {"claimName"},
        ),
    )


_stores = TypeAdapter(dict[ClaimName, StoreSettings])
_hosts = TypeAdapter(Annotated[tuple[AllowedHost, ...], Field(max_length=64)])


def parse_stores(text: str) -> dict[str, Store]:
    """The stores by name. Raises ValueError with the field that is wrong."""
    try:
        written = _stores.validate_json(text)
    except ValidationError as error:
        raise ValueError(describe(error, "stores")) from None
    return {name: _build_store(name, store) for name, store in written.items()}


def parse_allowed_hosts(text: str) -> tuple[str, ...]:
    """The hosts that jobs may read from. Raises ValueError with the entry that is wrong."""
    try:
        return tuple(dict.fromkeys(_hosts.validate_json(text)))
    except ValidationError as error:
        raise ValueError(describe(error, "allowedUrlHosts")) from None


def _build_store(name: str, written: StoreSettings) -> Store:
    if written.bucket is None:
        return Store(claim_name=written.claim_name or "")
    return Store(
        bucket=Bucket(
            store=name,
            bucket=written.bucket,
            prefix=(written.prefix or "").strip("/"),
            endpoint=written.endpoint,
            region=written.region,
        ),
        credentials_secret=written.credentials_secret or "",
        service_account=written.service_account or "",
    )
