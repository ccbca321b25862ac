"""`opslore contacts …`: who is told of incidents, and whether word reaches them."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from actions.notification.delivery import Courier, Delivery, service_of
from actions.notification.templating import Templates
from config.contacts import Contact
from config.hub_file import HubSettings, read_hub
from config.sentences import suggestion
from config.settings import Settings
from hub.commands.outcome import (
    EXIT_FAILED,
    EXIT_NOT_FOUND,
    AsJson,
    print_error,
    print_json,
    print_line,
    print_table,
    run,
)

app = typer.Typer(help="Show who is told of incidents, and try it out.", no_args_is_help=True)


@app.command("list")
def list_contacts(*, as_json: AsJson = False) -> None:
    """Show the contacts of the hub file; addresses are shown by their service only."""
    contacts = read_hub(Settings().hub_file).contacts
    if as_json:
        print_json([_as_json(name, contact) for name, contact in contacts.items()])
        return
    if not contacts:
        print_line(f"no contacts: name them in {Settings().hub_file}")
        return
    print_table(
        list(contacts.items()),
        {
            "CONTACT": lambda item: item[0],
            "OVER": lambda item: ", ".join(map(service_of, item[1].urls)),
            "FROM SEVERITY": lambda item: item[1].least_severity,
            "QUIET HOURS": lambda item: _quiet_hours(item[1]),
            "TIMES IN": lambda item: str(item[1].zone),
        },
    )


@app.command("test")
def try_contact(
    name: Annotated[str, typer.Argument(help="The contact's name.")], *, as_json: AsJson = False
) -> None:
    """Send a test message to every address of a contact now, quiet hours or not."""
    hub = read_hub(Settings().hub_file)
    contact = hub.contacts.get(name)
    if contact is None:
        hint = suggestion(name, hub.contacts)
        print_error(f"there is no contact {name} in {Settings().hub_file}{hint}")
        raise typer.Exit(EXIT_NOT_FOUND)
    deliveries = run(_send(hub, name, contact))
    arrived = all(delivery.error is None for delivery in deliveries)
    told = list(zip(map(service_of, contact.urls), deliveries, strict=True))
    if as_json:
        tried = [{"service": service, "error": delivery.error} for service, delivery in told]
        print_json({"contact": name, "arrived": arrived, "addresses": tried})
    else:
        for service, delivery in told:
            print_line(f"{name} over {service}: {delivery.error or 'accepted'}", _style(delivery))
    if not arrived:
        raise typer.Exit(EXIT_FAILED)


async def _send(hub: HubSettings, name: str, contact: Contact) -> list[Delivery]:
    settings = hub.notification
    now = datetime.now(UTC).astimezone(contact.zone)
    templates = Templates.of(settings)
    for fault in templates.faults():
        print_error(fault)
    text = templates.render_test(name, f"{now:%H:%M:%S %Z}")
    courier = Courier(settings.timeout)
    return await asyncio.gather(*(courier.deliver(url, text, "info") for url in contact.urls))


def _as_json(name: str, contact: Contact) -> dict[str, object]:
    return {
        "name": name,
        "services": list(map(service_of, contact.urls)),
        "least_severity": contact.least_severity,
        "quiet_hours": contact.quiet_hours,
        "timezone": str(contact.zone),
    }


def _quiet_hours(contact: Contact) -> str:
    quiet = contact.quiet_hours
    if quiet is None:
        return "–"
    return f"{quiet.from_} to {quiet.until} {quiet.timezone}, except {quiet.except_}"


def _style(delivery: Delivery) -> str | None:
    return "red" if delivery.error else None
