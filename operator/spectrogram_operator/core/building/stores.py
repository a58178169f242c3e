"""Where a job's recording and results are: a claim, a store that the platform team named, or a web address."""

from collections.abc import Sequence

from spectrogram_operator.api.spec import Input, Output, SpectrogramJobSpec
from spectrogram_operator.core.policy import Policy, Store
from spectrogram_worker.contract.addresses import HTTPS_PORT, file_name, is_allowed, origin
from spectrogram_worker.contract.document import Places
from spectrogram_worker.contract.report import clean_text

_MOST_NAMES = 10


def store_of(place: Input | Output, policy: Policy) -> Store | None:
    """Where this is: the store, or the claim as one. None for a web address, and for a store that nobody has named."""
    if place.claim_name is not None:
        return Store(claim_name=place.claim_name)
    return policy.stores.get(place.store or "")


def is_in_bucket(place: Input | Output, policy: Policy) -> bool:
    """Whether this is in a store that is no claim; of a store that nobody has named that is taken to be so."""
    store = store_of(place, policy)
    return place.store is not None and (store is None or store.bucket is not None)


def refused_places(spec: SpectrogramJobSpec, policy: Policy) -> str:
    """Why the job cannot read or write where it wants to, or an empty string."""
    for field, name in (("input", spec.input.store), ("output", spec.output.store)):
        if name is not None and name not in policy.stores:
            known = _listed(sorted(policy.stores)) or "none in the chart's stores"
            return clean_text(f"spec.{field}.store: no store {name}: the platform team has named {known}")
    url = spec.input.url
    if url is not None and not is_allowed(url, policy.allowed_url_hosts):
        known = f"has {_listed(policy.allowed_url_hosts)}" if policy.allowed_url_hosts else "is empty"
        return clean_text(
            f"spec.input.url: {title_of_host(url)} is not allowed: the platform team allows hosts in the chart's"
            f" allowedUrlHosts, which {known}"
        )
    accounts = [place.service_account for place in _stores(spec, policy) if place.service_account]
    if len(set(accounts)) > 1:
        return clean_text(
            f"the stores {spec.input.store} and {spec.output.store} need different service accounts,"
            f" {' and '.join(accounts)}, and a pod has one: read and write in stores of one account"
        )
    return ""


def title_of_host(address: str) -> str:
    """The host of an address, with its port where that is not the usual one."""
    host, port = origin(address) or ("?", HTTPS_PORT)
    return f"the host {host}" if port == HTTPS_PORT else f"the host {host}:{port}"


def service_account(spec: SpectrogramJobSpec, policy: Policy) -> str:
    """The account of the job's pod: a store's, where one names it, else the workers'."""
    return next((store.service_account for store in _stores(spec, policy) if store.service_account), "") or (
        policy.service_account
    )


def claims(spec: SpectrogramJobSpec, policy: Policy) -> dict[str, str]:
    """The claims that must exist, each with the store that it is, or an empty string."""
    places = ((place, store_of(place, policy)) for place in (spec.input, spec.output))
    return {
        store.claim_name: place.store or "" for place, store in places if store is not None and store.bucket is None
    }


def file_path(place: Input) -> str:
    """The recording's path where it is; for a web address, the name that the file has."""
    return place.path if place.url is None and place.path is not None else file_name(place.url or "")


def worker_places(spec: SpectrogramJobSpec, policy: Policy) -> Places:
    """What the worker is told of buckets and addresses."""
    source, target = store_of(spec.input, policy), store_of(spec.output, policy)
    return Places(
        input_bucket=source.bucket if source else None,
        input_url=spec.input.url,
        allowed_url_hosts=policy.allowed_url_hosts if spec.input.url else (),
        output_bucket=target.bucket if target else None,
    )


def _stores(spec: SpectrogramJobSpec, policy: Policy) -> list[Store]:
    found = (store_of(place, policy) for place in (spec.input, spec.output))
    return [store for store in found if store is not None]


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])])
