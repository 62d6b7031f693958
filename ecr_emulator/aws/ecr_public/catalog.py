"""Catalog data: what the public gallery shows of a registry and of a repository."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr_public.context import EcrPublicContext
from ecr_emulator.aws.ecr_public.logos import logo_url
from ecr_emulator.aws.ecr_public.operation import operation
from ecr_emulator.aws.operation_calls import Params
from ecr_emulator.registry.repository_catalog import CatalogData


@operation("PutRepositoryCatalogData")
def put_repository_catalog_data(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Give a repository catalog data in place of what it has."""
    data, logo = catalog_data_input(params["catalogData"])
    stored = context.registry.catalog.put(context.key(params), params["repositoryName"], data, logo)
    return {"catalogData": catalog_data_output(context, stored)}


@operation("GetRepositoryCatalogData")
def get_repository_catalog_data(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Return a repository's catalog data."""
    stored = context.registry.catalog.get(context.key(params), params["repositoryName"])
    return {"catalogData": catalog_data_output(context, stored)}


@operation("PutRegistryCatalogData")
def put_registry_catalog_data(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Give the caller's registry a display name; without one, take it away."""
    name = params.get("displayName")
    context.registry.public_registries.set_display_name(context.principal.account, name)
    return {"registryCatalogData": {"displayName": name}}


@operation("GetRegistryCatalogData")
def get_registry_catalog_data(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Return the display name of the caller's registry, if it has one."""
    name = context.registry.public_registries.display_name(context.principal.account)
    return {"registryCatalogData": {"displayName": name}}


def catalog_data_input(given: Params) -> tuple[CatalogData, bytes]:
    """Return a call's catalog data, and the logo that came with it (empty for none)."""
    data = CatalogData(
        description=given.get("description"),
        architectures=given.get("architectures"),
        operating_systems=given.get("operatingSystems"),
        about_text=given.get("aboutText"),
        usage_text=given.get("usageText"),
    )
    return data, given.get("logoImageBlob") or b""


def catalog_data_output(context: EcrPublicContext, stored: CatalogData) -> dict[str, Any]:
    """Return catalog data as an answer has it: with the address of the logo."""
    return {
        "description": stored.description,
        "architectures": stored.architectures,
        "operatingSystems": stored.operating_systems,
        "logoUrl": None if stored.logo_name is None else logo_url(context, stored.logo_name),
        "aboutText": stored.about_text,
        "usageText": stored.usage_text,
    }
