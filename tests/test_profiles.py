"""Other vendors' exports: each is known by its form, and read with its own states and codes; what
is like them, and what only seems so.
"""

import csv
import gzip
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from conftest import few_first, long
from rebroadcast.bench import workbench
from rebroadcast.common.doubts import ALL
from rebroadcast.common.exceptions import ColumnError, InputError
from rebroadcast.reading import exports, mapping
from rebroadcast.report import reports
from rebroadcast.sources import files, profile
from rebroadcast.verbs.recover import recover

VENDORS = Path(__file__).parent / "data" / "vendors"
DAY = "2026-10-05 "
US, UK = "1202555", "447700900"
# What each file says, read by eye: the profile; of each failed message its recipient, the instant
# (UTC; of times without a zone: as if they were of UTC), and error; who was reached; how many are
# under way; and the lines that cannot be used.
LOGS = {
    "altur_campaign.csv": (
        "altur",
        {f"{UK}272": ("14:00:06", None), f"{UK}273": ("14:00:06", None)},
        [f"{UK}271", f"{UK}275"],
        1,
        [],
    ),
    "bulksms_history.tsv": (
        "bulksms",
        {
            f"{UK}252": ("14:00:01", "22"),
            f"{UK}254": ("14:00:02", "28"),
            f"{UK}256": ("14:00:03", "50"),
        },
        [f"{UK}251", f"{UK}253"],
        2,
        [],
    ),
    "connectly_campaign_report.csv": (
        "connectly",
        {
            f"{UK}172": (None, "131026: Message Undeliverable."),
            f"{UK}174": (
                "14:00:02",
                "131049: This message was not delivered to maintain healthy ecosystem engagement.",
            ),
            f"{UK}177": (None, '132015: Template is paused, "spring_sale_es".'),
            UK: (None, "Invalid phone number"),
        },
        [f"{UK}171", f"{UK}173", f"{UK}176"],
        1,
        [],
    ),
    "gc_notify_report_en.csv": (
        "gcnotify",
        {
            "16135550102": ("14:01:00", "No such number"),
            "16135550103": ("14:02:00", "Carrier issue"),
            "447700900104": ("14:03:00", "Can't send to this international number"),
            "16135550106": ("14:05:00", "Tech issue"),
            "16135550102 again": ("14:07:00", "Failed"),
        },
        ["16135550101"],
        2,
        [],
    ),
    "gc_notify_report_fr.csv": (
        "gcnotify",
        {
            "16135550102": ("14:01:00", "Numéro inexistant"),
            "16135550103": ("14:02:00", "Problème du fournisseur"),
            "447700900104": ("14:03:00", "Can't send to this international number"),
            "16135550106": ("14:05:00", "Problème technique"),
            "16135550102 again": ("14:07:00", "Échec"),
        },
        ["16135550101"],
        2,
        [],
    ),
    "infobip_logs.json": (
        "infobip",
        {
            f"{UK}232": ("14:00:01", "EC_ABSENT_SUBSCRIBER: Absent Subscriber"),
            f"{UK}233": ("14:00:01", "EC_UNKNOWN_SUBSCRIBER: Unknown Subscriber"),
            f"{UK}234": ("14:00:01", "REJECTED_NETWORK: Network is forbidden"),
            f"{UK}235": ("14:00:01", "EXPIRED_EXPIRED: Message expired"),
        },
        [f"{UK}231"],
        1,
        [],
    ),
    "kaleyra_tabular_report.csv": (
        "kaleyra",
        {
            f"{UK}192": ("14:00:00", "Template params not matching."),
            f"{UK}193": ("14:00:00", "Message undeliverable"),
            f"{UK}195": ("14:00:00", None),
        },
        [f"{UK}191", f"{UK}194"],
        1,
        [],
    ),
    "plivo_message_records.csv": (
        "plivo",
        {f"{UK}302": ("14:00:02", "030"), f"{UK}303": ("14:00:03", "200")},
        [f"{UK}301"],
        1,
        [],
    ),
    "postman_sg_report.csv": (
        "postman",
        {
            "6580000262": ("06:00:06", "30003"),
            "6580000263": ("06:00:06", "30008"),
            "6580000265": ("06:00:07", "21211"),
        },
        [],
        2,
        [],
    ),
    "respondio_api_messages.json": (
        "respondio",
        {
            "500004": ("14:00:04", "131047: Re-engagement message"),
            "500003": (
                "14:00:03",
                "This message was not delivered to maintain healthy ecosystem engagement.",
            ),
            "500002": ("14:00:02", "Message undeliverable"),
        },
        ["500001"],
        0,
        [],
    ),
    "twilio_bulk_export.jsonl": (
        "twilio",
        {
            f"{US}0122": ("14:00:02", "30003"),
            f"{US}0123": ("14:00:02", "30034"),
            f"{UK}124": ("14:00:03", "63032"),
            f"{US}0128": ("14:00:09", "30008"),
        },
        [f"{US}0121", f"{UK}125"],
        1,
        [],
    ),
    "twilio_console.csv": (
        "twilio",
        {
            f"{US}0112": ("14:00:01", "30003"),
            f"{US}0113": ("14:00:02", "21610"),
            "442079460114": ("14:00:02", "30005"),
            f"{UK}116": ("14:00:03", "63016"),
            f"{UK}117": ("14:00:04", "63024"),
            f"{US}0112 again": ("2026-10-06 14:00:02", "30007"),
        },
        [f"{US}0111", f"{UK}115"],
        2,
        [],
    ),
    "twilio_messages.json": (
        "twilio",
        {
            f"{US}0132": ("14:00:02", "30003: Unreachable destination handset"),
            f"{US}0133": ("14:00:02", "21610: Attempt to send to unsubscribed recipient"),
        },
        [f"{US}0131"],
        1,
        [],
    ),
    "vonage_sms_report.csv": (
        "vonage",
        {
            f"{UK}222": ("14:00:01", "1: Unknown"),
            f"{UK}223": ("14:00:01", "7: Number Barred"),
            f"{UK}224": ("14:00:01", "2: Absent Subscriber - Temporary"),
            f"{UK}225": ("14:00:01", "3: Absent Subscriber - Permanent"),
            f"{UK}227": ("14:00:01", "9: Illegal Number"),
        },
        [f"{UK}221"],
        2,
        [],
    ),
    "wati_webhooks.jsonl": (
        "wati",
        {
            f"{UK}152": ("14:00:01", "131026: Message undeliverable"),
            f"{UK}153": (
                "14:00:01",
                "131049: This message was not delivered to maintain healthy ecosystem engagement.",
            ),
        },
        [f"{UK}151"],
        0,
        [8],
    ),
    "wolkvox_campaign_records.csv": (
        "wolkvox",
        {
            f"{UK}202": ("09:00:01", "(131026) Message undeliverable"),
            f"{UK}204": (
                "09:00:02",
                "This message was not delivered to maintain healthy ecosystem engagement.",
            ),
            f"{UK}207": ("10:00:00", None),
        },
        [f"{UK}201", f"{UK}203"],
        2,
        [9],
    ),
    "yellowai_campaign_report.csv": (
        "yellowai",
        {
            f"{UK}182": ("14:00:03", "131026: Message undeliverable"),
            f"{UK}184": (
                "14:00:00",
                "132000: Number of parameters does not match the expected number of params",
            ),
            f"{UK}185": ("14:00:04", "21211: Invalid destination"),
            "zoe@example.com": ("14:00:04", "550 5.1.1 mailbox unavailable"),
            f"{UK}189": ("14:00:00", None),
        },
        [f"{UK}181", f"{UK}183"],
        2,
        [],
    ),
}
META = {
    f"{UK}162": ("14:00:02", "131026: Message undeliverable"),
    f"{UK}164": (
        "14:00:02",
        "131049: This message was not delivered to maintain healthy ecosystem engagement.",
    ),
    f"{UK}165": ("14:00:02", "131047: Re-engagement message"),
    f"{UK}166": (
        "14:00:02",
        "131050: Unable to deliver the message. This recipient has chosen to stop receiving"
        " marketing messages on WhatsApp from your business",
    ),
    f"{UK}170": ("14:00:04", "132015: Template is paused"),
}
LOGS["meta_status_webhooks.jsonl"] = ("meta", META, [f"{UK}161", f"{UK}163", f"{UK}169"], 1, [8])
LOGS["n8n_whatsapp_trigger.jsonl"] = ("meta", META, [f"{UK}161", f"{UK}163", f"{UK}169"], 1, [9])
CONTACTS = {
    "chatwoot_contact_import.csv": (
        "chatwoot",
        [f"{UK}161", f"{UK}162", f"{UK}164", "sam@example.com", f"{US}0165"],
    ),
    "interakt_contact_import.csv": (
        "interakt",
        [f"{UK}281", f"{US}0182", f"{UK}283", f"{UK}284", f"{UK}285"],
    ),
    "wati_contact_import.csv": (
        "wati",
        [f"{UK}141", f"{UK}142", f"{US}0143", f"{UK}144", f"{UK}145"],
    ),
    "respondio_api_contacts.json": ("respondio", [f"50000{n}" for n in range(1, 6)]),
}

# Others' files of the same vendors: the file, what is odd in it, and what it says.
STRANGERS = {
    # older order, ;, codes as floats, upper case, no Price
    "strangers/twilio_semicolon_floats.csv": (
        "twilio",
        {"447700900601": ("14:00:01", "30003"), "447700900603": ("14:00:03", "63016")},
        ["447700900602"],
        0,
        [],
    ),
    # UTF-16, tab, spaces in phones, offsets, ErrorCode 0
    "strangers/twilio_utf16_tab.csv": (
        "twilio",
        {"447700900611": ("14:00:01", "21610")},
        ["447700900612"],
        0,
        [],
    ),
    # two lines before the header, row twice, header again
    "strangers/twilio_sentence_sep.csv": (
        "twilio",
        {"447700900621": ("14:00:01", "30005")},
        [],
        1,
        [6],
    ),
    # gzip, BOM, CRLF, 30003.0
    "strangers/twilio_floats.jsonl.gz": (
        "twilio",
        {"447700900631": ("14:00:01", "30003")},
        ["447700900632"],
        1,
        [],
    ),
    # list under another name, camelCase
    "strangers/twilio_data_pretty.json": (
        "twilio",
        {"447700900641": ("14:00:01", "30007: Carrier violation")},
        ["447700900642"],
        0,
        [],
    ),
    # one array, several statuses in a list, out of order
    "strangers/meta_pretty_array.json": (
        "meta",
        {"447700900704": ("14:00:01", "131026: Message undeliverable")},
        ["447700900701", "447700900702", "447700900703"],
        1,
        [],
    ),
    # n8n's Webhook node
    "strangers/meta_n8n_webhook.json": (
        "meta",
        {"447700900704": ("14:00:01", "131026: Message undeliverable")},
        ["447700900701", "447700900702", "447700900703"],
        1,
        [],
    ),
    # n8n items with json
    "strangers/meta_n8n_pinned.json": (
        "meta",
        {"447700900704": ("14:00:01", "131026: Message undeliverable")},
        ["447700900701", "447700900702", "447700900703"],
        1,
        [],
    ),
    # wrapped under a name of one's own
    "strangers/meta_raw_payload.jsonl": (
        "meta",
        {"447700900704": ("14:00:01", "131026: Message undeliverable")},
        ["447700900701", "447700900702", "447700900703"],
        1,
        [],
    ),
    # wrapped twice
    "strangers/meta_deep.jsonl": (
        "meta",
        {"447700900704": ("14:00:01", "131026: Message undeliverable")},
        ["447700900701", "447700900702", "447700900703"],
        1,
        [],
    ),
    # one document with a list inside
    "strangers/meta_list.json": (
        "meta",
        {"447700900704": ("14:00:01", "131026: Message undeliverable")},
        ["447700900701", "447700900702", "447700900703"],
        1,
        [],
    ),
    # concatenated objects, .txt
    "strangers/meta_concat.txt": (
        "meta",
        {"447700900704": ("14:00:01", "131026: Message undeliverable")},
        ["447700900701", "447700900702", "447700900703"],
        1,
        [],
    ),
    # times as numbers and ms, codes as text/float, errors [] and null, incoming message
    "strangers/meta_numbers.jsonl": (
        "meta",
        {
            "447700900711": ("14:00:01", "131047: Re-engagement message"),
            "447700900712": ("14:00:02", "131049: Not delivered"),
            "447700900714": ("14:00:04", None),
        },
        ["447700900713"],
        0,
        [],
    ),
    # one change per line (value, field)
    "strangers/meta_value.jsonl": (
        "meta",
        {"447700900704": ("14:00:01", "131026: Message undeliverable")},
        ["447700900701", "447700900702", "447700900703"],
        1,
        [],
    ),
    # BSUID; a last line cut off
    "strangers/meta_bsuid.jsonl": (
        "meta",
        {"DE.13491208655302741918": ("14:00:01", "131026: Message undeliverable")},
        [],
        1,
        [3],
    ),
    # titles, no sendout_id, floats, read without delivered, failed then delivered
    "strangers/connectly_semicolon.csv": (
        "connectly",
        {"447700900801": ("14:00:01", "131026: Message Undeliverable.")},
        ["447700900802", "447700900804"],
        1,
        [],
    ),
    # NULL, None, nan, \N, - for nothing
    "strangers/connectly_null.csv": (
        "connectly",
        {"447700900811": ("14:00:01", "131049")},
        ["447700900812"],
        1,
        [],
    ),
    # French job report, ;, Windows-1252, winter time
    "strangers/gc_fr_job.csv": (
        "gcnotify",
        {"zoe@example.com": ("2026-12-01 15:00:00", "Adresse inexistante")},
        ["luc@example.com"],
        1,
        [],
    ),
    # BOM, typographic apostrophe, other case
    "strangers/gc_en_job.csv": (
        "gcnotify",
        {
            "16135550101": ("2026-07-01 14:00:00", "Can’t send to this international number"),
            "16135550103": ("2026-07-01 14:00:00", "carrier issue"),
        },
        ["16135550102"],
        0,
        [],
    ),
    # tab, more columns, no id, no SEEN_AT, offset +05:30, failed then delivered
    "strangers/kaleyra_more.csv": (
        "kaleyra",
        {"447700900901": ("14:00:01", "Number not on WhatsApp")},
        ["447700900902"],
        1,
        [],
    ),
    # zip, Messages product, other order
    "strangers/vonage_messages.zip": (
        "vonage",
        {"447700900001": ("14:00:01", "1340: Sent outside allowed window")},
        ["447700900002"],
        0,
        [],
    ),
    # the synchronous report, JSON
    "strangers/vonage_records.json": (
        "vonage",
        {"447700900011": ("14:00:01", "6: Anti-Spam Rejection")},
        ["447700900012"],
        0,
        [],
    ),
    # array; failure before the sending; code as number
    "strangers/wati_array.json": (
        "wati",
        {"447700900021": ("14:00:01", "131026: Message undeliverable")},
        ["447700900022"],
        1,
        [],
    ),
    # n8n's Webhook node
    "strangers/wati_n8n.json": (
        "wati",
        {"447700900021": ("14:00:01", "131026: Message undeliverable")},
        ["447700900022"],
        1,
        [],
    ),
    # tab, other order, fewer columns, case, _ for a blank
    "strangers/yellow_tab.tsv": (
        "yellowai",
        {"447700900031": ("14:00:01", "131026: Message undeliverable")},
        ["447700900032", "zoe@example.com"],
        1,
        [],
    ),
    # DD/MM/YYYY, ;, more columns, spaces without +, an unknown state
    "strangers/wolkvox_dmy.csv": (
        "wolkvox",
        {"447700900501": ("09:00:01", "131047 Re-engagement message")},
        ["447700900502"],
        0,
        [4, 5],
    ),
    # ;, epoch in ms and s, empty date, no tags
    "strangers/altur_ms.csv": (
        "altur",
        {"447700900041": ("14:00:01", None)},
        ["447700900042"],
        1,
        [],
    ),
    # commas, ISO times
    "strangers/bulksms_comma.csv": (
        "bulksms",
        {"447700900051": ("14:00:01", "22")},
        ["447700900052"],
        1,
        [],
    ),
    # ;, quoted, DD/MM; one line's recipient is none
    "strangers/bulksms_quoted.csv": (
        "bulksms",
        {"447700900061": ("14:00:00", "29")},
        ["447700900062"],
        0,
        [3],
    ),
    # array at the top
    "strangers/infobip_array.json": (
        "infobip",
        {"447700900071": ("14:00:01", "EC_ABSENT_SUBSCRIBER: Absent Subscriber")},
        ["447700900072"],
        1,
        [],
    ),
    # a record per line
    "strangers/infobip_lines.jsonl": (
        "infobip",
        {"447700900071": ("14:00:01", "EC_ABSENT_SUBSCRIBER: Absent Subscriber")},
        ["447700900072"],
        1,
        [],
    ),
    # two pages, one after the other
    "strangers/infobip_pages.json": (
        "infobip",
        {"447700900071": ("14:00:01", "EC_ABSENT_SUBSCRIBER: Absent Subscriber")},
        ["447700900072"],
        1,
        [],
    ),
    # list under another name
    "strangers/infobip_reports.json": (
        "infobip",
        {"447700900071": ("14:00:01", "EC_ABSENT_SUBSCRIBER: Absent Subscriber")},
        ["447700900072"],
        1,
        [],
    ),
    # no sentence, snake case, other case
    "strangers/postman_snake.csv": (
        "postman",
        {"6580000261": ("14:00:05", "30003"), "zoe@example.com": ("14:00:07", None)},
        ["6580000262"],
        0,
        [],
    ),
    # sentence with commas, blank line, ;, offset
    "strangers/postman_sentence.csv": ("postman", {"6580000271": ("14:00:05", "30008")}, [], 1, []),
    # commas, other order, a line break in the text
    "strangers/smseagle_comma.csv": (
        "smseagle",
        {"447700900081": ("14:00:01", "27: SendingError")},
        ["447700900082"],
        1,
        [],
    ),
    # the API's answer
    "strangers/plivo_objects.json": (
        "plivo",
        {"447700900091": ("14:00:01", "030")},
        ["447700900092"],
        0,
        [],
    ),
    # titles, ;, no From
    "strangers/plivo_titles.csv": (
        "plivo",
        {"447700900091": ("14:00:01", "030")},
        ["447700900092"],
        0,
        [],
    ),
    # a message per line
    "strangers/respondio_lines.jsonl": (
        "respondio",
        {"501": ("14:00:01", "Message undeliverable")},
        ["502"],
        0,
        [],
    ),
    # a page per line
    "strangers/respondio_pages.jsonl": (
        "respondio",
        {"501": ("14:00:01", "Message undeliverable")},
        ["502"],
        0,
        [],
    ),
    # several entries and statuses a webhook, other events between, callbacks twice, failed at last
    "strangers/meta_batches.jsonl": (
        "meta",
        {
            "525512340001": ("2026-09-14 14:00:01", "131026: Message undeliverable"),
            "51912340004": (
                "2026-09-14 14:00:07",
                "131049: This message was not delivered to maintain healthy ecosystem engagement.",
            ),
        },
        ["525512340002", "573001230003"],
        1,
        [],
    ),
    # a code alone, a message alone, ms as numbers, + and a user's ID, played, upper case
    "strangers/meta_codes.jsonl": (
        "meta",
        {
            "525512340001": ("2026-09-14 14:00:01", "131026"),
            "MX.12ab34": ("2026-09-14 14:00:03", "131062: (#131062) Business-scoped"),
            "51912340004": ("2026-09-14 14:00:04", "131047: Re-engagement message"),
        },
        ["525512340002"],
        0,
        [],
    ),
    # saved by a Spanish Excel: ;, Windows-1252, 5,25512E+11; 00 before a number; canceled
    "strangers/twilio_excel_es.csv": (
        "twilio",
        {"525512340001": ("2026-09-14 14:00:01", "30003")},
        ["525512340002"],
        1,
        [5, 6],
    ),
    # US dates with AM and PM, a text beside the code, outbound-reply
    "strangers/twilio_am_pm.csv": (
        "twilio",
        {
            "12025550101": ("2026-09-14 14:00:01", "30005: Unknown destination handset"),
            "12025550102": (
                "2026-09-14 00:00:01",
                "21610: Attempt to send to unsubscribed recipient",
            ),
        },
        ["12025550101", "12025550103"],
        0,
        [],
    ),
    # a gzip file a day in a zip, offsets, states in any order
    "strangers/twilio_days.zip": (
        "twilio",
        {
            "12025550101": ("2026-09-14 14:00:01", "30006"),
            "12025550104": ("2026-09-14 14:00:04", "30450"),
        },
        ["12025550102"],
        1,
        [],
    ),
    # no direction
    "strangers/twilio_short.csv": (
        "twilio",
        {"12025550101": ("2026-09-14 14:00:01", "30003")},
        ["12025550102"],
        0,
        [],
    ),
    # no text of errors, no READ
    "strangers/connectly_short.csv": (
        "connectly",
        {"525512340001": ("2026-09-14 14:00:01", "131026")},
        ["525512340002"],
        0,
        [],
    ),
    # VERDADERO and FALSO
    "strangers/kaleyra_excel_es.csv": (
        "kaleyra",
        {"525512340001": ("2026-09-14 14:00:01", "Number is not a WhatsApp user")},
        ["525512340002"],
        0,
        [],
    ),
    # no direction
    "strangers/kaleyra_short.csv": (
        "kaleyra",
        {"525512340001": ("2026-09-14 14:00:01", "x")},
        ["525512340002"],
        1,
        [],
    ),
    # no ID of the campaign
    "strangers/yellow_short.csv": (
        "yellowai",
        {"525512340001": ("2026-09-14 14:00:01", "131026: Message undeliverable")},
        ["525512340002"],
        0,
        [],
    ),
    # commas, no part of a message
    "strangers/smseagle_short.csv": (
        "smseagle",
        {"447700900111": ("2026-09-14 14:00:01", "SendingError")},
        ["447700900112"],
        0,
        [],
    ),
    # no direction
    "strangers/plivo_short.csv": (
        "plivo",
        {"447700900111": ("2026-09-14 14:00:01", "450")},
        ["447700900112"],
        0,
        [],
    ),
    # no error
    "strangers/wolkvox_short.csv": (
        "wolkvox",
        {"525512340001": ("2026-09-14 14:00:01", None)},
        ["525512340002"],
        0,
        [],
    ),
    # a title and a blank line before the header, tab, AM and PM, upper case
    "strangers/wolkvox_title.csv": (
        "wolkvox",
        {"525512340001": ("2026-09-14 14:00:01", "131026 Message undeliverable")},
        ["525512340002"],
        1,
        [],
    ),
    # the final date only
    "strangers/vonage_final.csv": (
        "vonage",
        {"447700900111": ("2026-09-14 14:00:01", "1: Unknown")},
        ["447700900112"],
        0,
        [],
    ),
    # failed first, an incoming message, replied
    "strangers/wati_pretty.json": (
        "wati",
        {"525512340001": ("2026-09-14 14:00:01", "131026: Message undeliverable")},
        ["525512340002"],
        1,
        [],
    ),
    # e-mail's states in French
    "strangers/gc_fr_email.csv": (
        "gcnotify",
        {
            "zoe@example.ca": (
                "2026-09-14 14:00:01",
                "Problème de contenu ou de boîte de réception",
            ),
            "luc@example.ca": ("2026-09-14 14:00:02", "La pièce jointe contient un virus"),
            "eva@example.ca": ("2026-09-14 14:00:03", "Niveau supérieur à Protégé A"),
        },
        ["ana@example.ca"],
        0,
        [],
    ),
}
# What `make test` reads of them: one for each way in which a vendor's file may be another.
FEW = [
    f"strangers/{name}"
    for name in (
        "twilio_sentence_sep.csv",
        "twilio_excel_es.csv",
        "twilio_days.zip",
        "twilio_short.csv",
        "meta_deep.jsonl",
        "meta_n8n_pinned.json",
        "meta_numbers.jsonl",
        "meta_codes.jsonl",
        "connectly_null.csv",
        "gc_fr_job.csv",
        "kaleyra_more.csv",
        "infobip_pages.json",
        "yellow_tab.tsv",
        "wolkvox_dmy.csv",
        "altur_ms.csv",
        "wati_pretty.json",
    )
]
OWN = [*LOGS, *FEW]
LOGS |= STRANGERS
CONTACTS |= {
    "strangers/interakt_floats.csv": (
        "interakt",
        ["447700900101", "447700900102"],
        [4],
    ),  # floats, + in the code; no code is no guess
    "strangers/chatwoot_tab.csv": (
        "chatwoot",
        ["447700900111", "bo@example.com"],
        [],
    ),  # tab, BOM, order
    "strangers/wati_import16.csv": ("wati", ["447700900121"], []),  # UTF-16, no attributes
}


def said(export: exports.Export) -> Counter:
    """Recipient, instant and error of each failed message."""
    rows = export.table.select("contact_id", "sent_at", "error").to_pyarrow().to_pylist()
    return Counter(
        (r["contact_id"], r["sent_at"] and f"{r['sent_at']:%Y-%m-%d %H:%M:%S}", r["error"])
        for r in rows
    )


def right(name: str) -> Counter:
    """The same, as it stands in the file."""
    return Counter(
        (to.split()[0], at and (at if " " in at else DAY + at), error)
        for to, (at, error) in LOGS[name][1].items()
    )


def reached(export: exports.Export) -> list[str]:
    """Who was reached, from the same file."""
    log, failed = export.messages.table, export.table
    return sorted(log.anti_join(failed, "message_id").contact_id.execute())


def under_way(export: exports.Export) -> int:
    return sum(doubt.weight for doubt in export.doubts if doubt.kind == "under way")


@pytest.mark.parametrize("name", few_first(dict.fromkeys([*OWN, *LOGS]), len(OWN)))
def test_each_vendors_log_is_read_as_it_stands_in_the_file(engine, name):
    vendor, _, there, open_, lines = LOGS[name]
    export = exports.read(engine, VENDORS / name)
    assert export.sources[0].fit.profile.name == vendor
    assert said(export) == right(name)
    assert reached(export) == sorted(there)
    assert under_way(export) == open_
    assert export.rejected["line"].tolist() == lines
    assert export.messages.rows == export.rows + len(there)


@pytest.mark.parametrize("name", CONTACTS)
def test_contact_lists_of_other_vendors_are_read(engine, name):
    vendor, people, *lines = CONTACTS[name]
    export = exports.read(engine, VENDORS / name, "contacts")
    assert export.sources[0].fit.profile.name == vendor
    assert export.table.order_by("row_id").contact_id.execute().tolist() == people
    assert export.rejected["line"].tolist() == (lines[0] if lines else [])


def test_a_log_without_failures_says_so_and_still_tells_who_was_reached(engine):
    path = VENDORS / "smseagle_sentitems.csv"
    with pytest.raises(InputError, match=r"none of its 2 messages failed"):
        exports.read(engine, path)
    export = exports.read(engine, path, "messages")
    assert sorted(export.table.contact_id.execute()) == [f"{UK}241", f"{UK}243"]
    assert export.rejected["line"].tolist() == [6]  # *101# is nobody's number
    assert under_way(export) == 1


# --- strangers: the same forms, as others have them


def rewrite(name, delimiter=",", order=None, more=(), terminator="\r\n") -> str:
    """A CSV sample with another delimiter, order of columns and columns more."""
    source = VENDORS / name
    given = ";" if name.startswith("smseagle") else ","
    rows = list(csv.reader(source.open(encoding="utf-8", newline=""), delimiter=given))
    order = order or range(len(rows[0]))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=terminator)
    for number, row in enumerate(rows):
        writer.writerow([row[i] for i in order] + [c if number else h for h, c in more])
    return out.getvalue()


@pytest.mark.parametrize("delimiter", few_first(["|", ";", "\t"], 1))
def test_another_delimiter_order_and_more_columns_change_nothing(engine, tmp_path, delimiter):
    name = "twilio_console.csv"
    text = rewrite(name, delimiter, range(12, -1, -1), [("Note", "x; y"), ("Shortened", "FALSE")])
    path = tmp_path / "log.csv"
    path.write_text("\ufeff" + text, encoding="utf-8")
    export = exports.read(engine, path)
    assert (said(export), reached(export)) == (right(name), sorted(LOGS[name][2]))


def test_packed_files_and_several_files_of_a_form_are_one_log(engine, tmp_path):
    lines = (VENDORS / "meta_status_webhooks.jsonl").read_text("utf-8").splitlines(keepends=True)
    with gzip.open(tmp_path / "1.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(lines[:9])
    with zipfile.ZipFile(tmp_path / "2.zip", "w") as archive:
        archive.writestr("hooks/status.ndjson", "".join(lines[9:]))
    export = exports.read(engine, [str(tmp_path / "1.jsonl.gz"), str(tmp_path / "2.zip")])
    name = "meta_status_webhooks.jsonl"  # …169 failed in one file, and was delivered in the next
    assert (said(export), reached(export)) == (right(name), sorted(LOGS[name][2]))
    assert export.table.row_id.nunique().execute() == export.rows


@pytest.mark.parametrize(
    "name",
    few_first(
        ["bulksms_history.tsv", "gc_notify_report_en.csv", "wolkvox_campaign_records.csv"], 2
    ),
)
def test_exports_that_overlap_count_each_message_once(engine, tmp_path, name):
    """The second begins in the middle of the first; none of them has IDs of messages."""
    whole = (VENDORS / name).read_text("utf-8-sig").splitlines(keepends=True)
    header = 0 if name.startswith("bulksms") else 1
    (tmp_path / f"a-{name}").write_text("".join(whole), "utf-8")
    (tmp_path / f"b-{name}").write_text("".join([*whole[:header], *whole[3:]]), "utf-8")
    once = exports.read(engine, str(tmp_path / f"a-{name}"))
    both = exports.read(engine, [str(tmp_path / f"{n}-{name}") for n in "ab"])
    assert both.rows == once.rows and both.messages.rows == once.messages.rows
    same = [sorted(e.table.contact_id.execute()) for e in (once, both)]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    "form", few_first(["concatenated", "wrapped", "blank lines", "array", "pretty"], 3)
)
def test_json_is_read_in_each_of_its_forms(engine, tmp_path, form):
    name = "meta_status_webhooks.jsonl"
    values = [json.loads(line) for line in (VENDORS / name).read_text("utf-8").splitlines()]
    told = {
        "array": json.dumps(values),
        "pretty": "\n".join(json.dumps(v, indent=2) for v in values),
        "concatenated": "".join(json.dumps(v) for v in values),
        "wrapped": "\n".join(json.dumps({"query_params": [], "body_params": v}) for v in values),
        "blank lines": "\n\n" + "\r\n \r\n".join(json.dumps(v) for v in values) + "\n\n",
    }
    path = tmp_path / "hooks.json"
    path.write_text(told[form], encoding="utf-8")
    export = exports.read(engine, path)
    assert (said(export), reached(export)) == (right(name), sorted(LOGS[name][2]))
    assert len(export.rejected) == 1
    if form == "blank lines":
        assert export.rejected["line"].tolist() == [3 + 2 * 7]


def record(n: int) -> dict:
    to, at = f"+44770090011{n}", f"Mon, 05 Oct 2026 14:00:0{n} +0000"
    told = {"status": "failed", "direction": "outbound-api", "error_code": 30003, "date_sent": at}
    return {"sid": f"SM{n}", "to": to, "body": "Hi, [x] // y"} | told


ONE, TWO, THREE = (json.dumps(record(n)) for n in (1, 2, 3))
PRETTY = [json.dumps(record(n), indent=1) for n in (1, 2, 3)]
WRITTEN = {  # three records, as programs write them
    "two arrays, each on a line": f"[{ONE},{TWO}]\n[{THREE}]\n",
    "two arrays on one line": f"[{ONE},{TWO}][{THREE}]",
    "two arrays over lines": f"[\n{PRETTY[0]},\n{PRETTY[1]}\n]\n[{PRETTY[2]}\n]\n",
    "an array and lines": f"[{ONE},{TWO}]\n{THREE}\n",
    "lines and an array": f"{ONE}\n[{TWO},{THREE}]\n",
    "an object on a line, and others over lines": "\n".join([ONE, *PRETTY[1:]]),
    "an empty array first": f"[]\n[{ONE},{TWO}]\n[]\n[{THREE}]",
    "arrays in an array": f"[[{ONE},{TWO}],[{THREE}]]",
    "a list in two others": json.dumps(
        {"data": {"pages": [{"messages": [record(1), record(2)]}, {"messages": [record(3)]}]}}
    ),
    "a comma behind each line": f"{ONE},\r\n{TWO},\r\n{THREE},\r\n",
    "a comma between lines": f"{ONE}\n,{TWO}\n,{THREE}",
    "a semicolon behind each line": f"{ONE};\n{TWO};\n{THREE};",
    "a comma at the end of an array": f"[\n{ONE},\n{TWO},\n{THREE},\n]",
    "comments between objects": "// log\n" + "\n// next\n".join(PRETTY),
    "comments between lines": f"# log\n{ONE}\n{TWO}\n  # restarted\n{THREE}\n",
    "comments in an array": f"[\n// one\n{ONE},\n  // two\n{TWO},\n{THREE}\n]",
}


@pytest.mark.parametrize("how", WRITTEN)
def test_lists_commas_and_comments_around_records_lose_none(engine, tmp_path, how):
    path = tmp_path / "messages.json"
    path.write_text(WRITTEN[how], "utf-8", newline="")
    export = exports.read(engine, path)
    assert sorted(said(export)) == [
        (f"44770090011{n}", f"{DAY}14:00:0{n}", "30003") for n in (1, 2, 3)
    ]
    assert not len(export.rejected)


def test_a_line_that_is_no_list_is_rejected_among_those_that_are(engine, tmp_path):
    path = tmp_path / "messages.json"
    path.write_text(f"[{ONE}]\nconnection reset\n[{TWO},{THREE}]\n[1]\n{THREE[:-9]}\n")
    export = exports.read(engine, path)
    assert export.rows == 3 and export.rejected["line"].tolist() == [2, 4, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "holds no records"),
        (" {}\n", "holds no records"),
        ('{"messages": [ ], "page": 0}', "found: 'messages', 'page'. Its list 'messages' is empty"),
        (f"[{ONE},\n{TWO}]\nDone.\n", "line 3 is no JSON from its character 1 on"),
        (f"[\n{ONE}\n{TWO},\n{THREE}]", "line 3 is no JSON from its character 1 on"),
        (f"[\n{ONE},\n{TWO[:40]}", "it ends in the middle of a value; download it again"),
        (str([record(1)]), "line 1 is no JSON from its character 3 on"),
    ],
)
def test_a_document_without_records_or_with_damage_is_refused_with_the_place(
    engine, tmp_path, text, words
):
    path = tmp_path / "messages.json"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(words)):
        exports.read(engine, path)


@pytest.mark.parametrize(
    "name",
    few_first(["meta_status_webhooks.jsonl", "bulksms_history.tsv", "twilio_console.csv"], 2),
)
def test_a_download_that_was_cut_off_is_told_above_all(engine, tmp_path, name):
    whole = (VENDORS / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole.rstrip(b"\r\n"))  # no line end, and nothing missing
    assert "cut off" not in {doubt.kind for doubt in exports.read(engine, str(path)).doubts}
    path.write_bytes(whole.rstrip(b"\r\n")[:-9])
    [doubt] = [d for d in exports.read(engine, str(path)).doubts if d.kind == "cut off"]
    assert doubt.weight == ALL and doubt.values["file"] == name


PREFIXES = {  # what programs put before each line of a log
    "docker compose": "n8n-1  | ",
    "docker logs -t": "2026-10-05T14:00:01.123456789Z ",
    "kubectl": "2026-10-05T14:00:01.123456789Z stdout F ",
    "pm2": "0|whatsapp | 2026-10-05 14:00:01 +00:00: ",
    "journald": "Oct 05 14:00:01 web-1 node[812]: ",
    "brackets": "[2026-10-05 14:00:01] INFO: ",
}


@pytest.mark.parametrize("how", few_first(PREFIXES, 3))
def test_json_behind_what_a_log_puts_before_it_is_read(engine, tmp_path, how):
    lines = (VENDORS / "meta_status_webhooks.jsonl").read_text("utf-8").splitlines()
    written = [PREFIXES[how] + line for line in lines]
    written.insert(2, PREFIXES[how] + "Server started on port 3000")
    path = tmp_path / "webhooks.log"
    path.write_text("\n".join(written) + "\n", "utf-8")
    export = exports.read(engine, str(path))
    name, failed, reached, _, lost = LOGS["meta_status_webhooks.jsonl"]
    assert export.sources[0].fit.profile.name == name
    assert {*export.table.contact_id.execute()} == {to.removesuffix(" again") for to in failed}
    assert export.messages.rows == len(failed) + len(reached)
    assert sorted(export.rejected.line) == sorted([3, *(n + (n > 2) for n in lost)])


def test_what_json_lines_are_of_may_begin_late(engine, tmp_path):
    said = {"messaging_product": "whatsapp", "messages": [{"id": "x" * 600}]}
    change = {"entry": [{"changes": [{"field": "messages", "value": said}]}]}
    name = "meta_status_webhooks.jsonl"
    path = tmp_path / name
    path.write_text((json.dumps(change) + "\n") * 2_000 + (VENDORS / name).read_text("utf-8"))
    assert path.stat().st_size > files.DOCUMENT + 2 * files.PIECE
    assert reached(exports.read(engine, path)) == sorted(LOGS[name][2])


@pytest.mark.parametrize("name", ["log", "MESSAGE"])
def test_json_in_the_text_of_other_json_is_told_with_the_way_on(engine, tmp_path, name):
    lines = (VENDORS / "meta_status_webhooks.jsonl").read_text("utf-8").splitlines()
    path = tmp_path / "container.log"
    path.write_text("\n".join(json.dumps({name: one + "\n", "stream": "out"}) for one in lines))
    with pytest.raises(ColumnError, match=rf"text of '{name}'.*jq -r '\.{name} "):
        exports.read(engine, str(path))


def test_what_only_looks_like_a_log_is_not_cut(engine, tmp_path):
    rows = [
        json.loads(line) for line in (VENDORS / "meta_status_webhooks.jsonl").open() if "{" in line
    ]
    path = tmp_path / "comma_first.json"
    path.write_text("[" + "\n,".join(map(json.dumps, rows)) + "\n]\n")
    assert exports.read(engine, str(path)).sources[0].document == "array"


def test_lines_that_are_no_json_are_rejected_with_their_number_and_the_others_are_read(
    engine, tmp_path
):
    name = "twilio_bulk_export.jsonl"
    lines = (VENDORS / name).read_bytes().splitlines()
    damaged = {
        2: lines[0][:-20],  # cut off
        4: b"connection reset by peer",
        5: b'{"sid": "SM1", "body": "\xff\xfe"}',
        6: b"[1, 2, 3]",
        8: b'{"level": "info", "msg": "restarted"}',
        9: b'"{""sid"":""SM2""}"',
        10: b"[" * 5_000,
    }
    rest = iter(lines)
    mixed = [damaged.get(n) or next(rest) for n in range(1, 1 + len(lines) + len(damaged))]
    path = tmp_path / "2026-10-05.json"
    path.write_bytes(b"\n".join(mixed))
    export = exports.read(engine, path)
    assert (said(export), reached(export)) == (right(name), sorted(LOGS[name][2]))
    assert export.rejected["line"].tolist() == sorted(damaged)
    assert set(export.rejected["file"]) == {"2026-10-05.json"}


def test_a_message_of_a_long_file_that_cannot_be_used_is_named_by_its_line(engine, tmp_path):
    path, bad, more = tmp_path / "hooks.jsonl", 17_001, ', "note": "' + "x" * 2_500 + '"}'
    lines = [hook("1790841600", "failed", str(447700000000 + n)) for n in range(18_000)]
    lines[bad - 1] = hook("yesterday", "failed", "447700900000")
    path.write_text("\n".join(line[:-1] + more for line in lines))  # more than is read at once
    export = exports.read(engine, path)
    assert (export.rows, export.rejected["line"].tolist()) == (17_999, [bad])
    table = export.table
    assert table.filter(table.row == 18_000).contact_id.to_list() == ["447700017999"]


@pytest.mark.parametrize("other", ["sent", "failed_2", "done.list"])
def test_messages_in_two_lists_of_a_document_are_not_half_read(engine, tmp_path, other):
    record = {"sid": "SM1", "to": "+447700900111", "status": "failed", "direction": "outbound-api"}
    path, sent = tmp_path / "day.json", [record | {"sid": "SM2", "body": "Hi"}]
    for name in reversed(other.split(".")):
        sent = {name: sent}
    path.write_text(json.dumps({"failed": [record]} | sent))
    with pytest.raises(InputError, match=r"several places .*'failed\[\]'"):
        exports.read(engine, path)
    path.write_text(json.dumps({"failed": [record | {"copy": record}]}))
    assert exports.read(engine, path).rows == 1  # a copy inside is no second message


def test_a_damaged_document_is_refused_in_one_sentence(engine, tmp_path):
    text = (VENDORS / "infobip_logs.json").read_text("utf-8")
    for place, damage in enumerate([text[:-30], text.replace('"to": ', '"to" ', 1)]):
        path = tmp_path / f"{place}.json"
        path.write_text(damage, encoding="utf-8")
        with pytest.raises(InputError, match="damaged JSON") as caught:
            exports.read(engine, path)
        assert UK not in str(caught.value) and "\n" not in str(caught.value)


def hook(at: object, state: str, to: str) -> str:
    status = {"id": f"wamid.{to}", "status": state, "timestamp": at, "recipient_id": to}
    told = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}}
    return json.dumps(told | {"statuses": [status], "field": "messages"})


def table(*rows: str, delimiter: str = ",") -> str:
    head = "To,Status,SentDate,ErrorCode,Sid,Direction"
    return "\r\n".join((head, *rows)).replace(",", delimiter) + "\r\n"


FAILED, SENT = (
    f"+44770090011{n},{state},2026-10-05 14:00:0{n},{code},SM{n},outbound-api"
    for n, state, code in ((1, "failed", "30003"), (2, "delivered", ""))
)
HABITS = {  # a message that failed and one that arrived, as others write them; rows that are none
    "a line for spreadsheets": ("\ufeffsep=;\r\n" + table(FAILED, SENT, delimiter=";"), 0),
    "states in capitals": (table(FAILED.replace("failed", "FAILED"), SENT.title()), 0),
    "apostrophes and floats": (table("'" + FAILED.replace("30003", "30003.0"), "'" + SENT), 0),
    "phones as floats": (table(FAILED[1:].replace(",", ".0,", 1), SENT), 0),
    "a row of totals": (table(FAILED, SENT, "Total,2,,,,"), 1),
    "a short row of totals": (table(FAILED, SENT, "Total: 2"), 1),
    "a title above": ("Messages of October\r\n\r\n" + table(FAILED, SENT, delimiter="\t"), 0),
    "a delimiter at each end": (table(FAILED, SENT).replace("\r\n", ",\r\n"), 0),
    "seconds as numbers": (
        hook(1791208801, "failed", "447700900111")
        + "\n"
        + hook(1791208802.5, "read", "447700900112"),
        0,
    ),
    "milliseconds as floats": (
        hook(1791208801123.0, "FAILED", "447700900111")
        + "\n"
        + hook(1.791208802e12, "READ", "447700900112"),
        0,
    ),
}


@pytest.mark.parametrize("how", HABITS)
def test_habits_of_others_change_nothing(engine, tmp_path, how):
    text, lost = HABITS[how]
    path = tmp_path / "log"
    path.write_text(text, "utf-8", newline="")
    export = exports.read(engine, path)
    [(to, at, error)] = said(export)
    assert (to, at) == ("447700900111", f"{DAY}14:00:01") and error in ("30003", None)
    assert reached(export) == ["447700900112"] and len(export.rejected) == lost


def test_what_cannot_be_read_names_the_way_on(engine, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(table(FAILED, SENT, delimiter="^"))
    with pytest.raises(InputError, match="no comma, semicolon, tab or | sets columns apart"):
        exports.read(engine, path)
    path.write_text(table(FAILED.replace("failed", "fallido"), SENT.replace("delivered", "ok")))
    with pytest.raises(
        InputError, match="a state that its profile .* rebroadcast profiles log.csv"
    ):
        exports.read(engine, path)
    for name in ("inner.zip", "log.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.write(path, path.name)
        path = tmp_path / name
    with pytest.raises(InputError, match="0 of them CSV.* give what is in it: inner.zip"):
        exports.read(engine, path)


def test_the_furthest_state_wins_in_any_order_and_a_failure_keeps_its_error(engine, tmp_path):
    def hook(to, state, at, **more):
        status = {"id": f"wamid.{to}", "status": state, "timestamp": str(at), "recipient_id": to}
        value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}}
        change = {"value": value | {"statuses": [status | more]}, "field": "messages"}
        return json.dumps({"object": "x", "entry": [{"id": "0", "changes": [change]}]})

    error = {"errors": [{"code": 131026, "title": "Message undeliverable"}]}
    lines = [
        hook("491511234567", "read", 1791208830),
        hook("491511234567", "failed", 1791208900, **error),
        hook("491511234568", "failed", 1791208802, **error),
        hook("491511234568", "sent", 1791208801),
        hook("491511234569", "sent", 1791208801),
        hook("491511234570", "gone", 1791208801),
    ]
    path = tmp_path / "hooks.log"
    path.write_text("\n".join(lines))
    export = exports.read(engine, path)
    assert said(export) == Counter(
        [("491511234568", DAY + "14:00:01", "131026: Message undeliverable")]
    )
    assert reached(export) == ["491511234567"] and under_way(export) == 1
    assert export.rejected[["line", "reason"]].values.tolist() == [
        [6, "a state that its profile does not know"]
    ]


RECIPIENTS = {
    "+1 (202) 555-0110": "12025550110",
    "'+12025550111": "12025550111",
    "12025550112.0": "12025550112",
    "whatsapp:+525555550001": "525555550001",
    "(202) 555-0111": None,  # whose country nobody knows
    "0044 7700 900111": None,
    "1.2E+10": None,
    "*101#": None,
    "": None,
}


def test_a_phone_number_is_never_reshaped_on_a_guess(engine, tmp_path):
    rows = [["To", "Status", "Sid", "Direction", "SentDate", "ErrorCode"]]
    for n, recipient in enumerate(RECIPIENTS):
        rows.append(
            [recipient, "failed", f"SM{n}", "outbound-api", "2026-10-05T14:00:01Z", "30003"]
        )
    path = tmp_path / "log.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    export = exports.read(engine, path)
    contacts = RECIPIENTS.values()
    assert export.table.order_by("row").contact_id.execute().tolist() == [c for c in contacts if c]
    refused = [line for line, contact in enumerate(contacts, 2) if not contact]
    assert export.rejected["line"].tolist() == refused


# A cell of a numeric column after a spreadsheet or a program, and the ID that it certainly is.
IDS = {
    "1200000000000001": "1200000000000001",
    "1200000000000001.0": "1200000000000001",
    "1200000000000001,00": "1200000000000001",
    "'1200000000000001": "1200000000000001",
    '="1200000000000001"': "1200000000000001",
    "1.2E+15": None,
    "1,2E+15": None,
    "1.200.000.000.000.001": None,
    "1 200 000 000 000 001": None,
    "0C00000012E45678": "0C00000012E45678",
    "120000000000E001": "120000000000E001",
}
PHONES = {
    f"{UK}221.0": f"{UK}221",
    f'="{UK}221"': f"{UK}221",
    f"'+{UK}221": f"{UK}221",
    "4.477E+11": None,
    "4,477009E+11": None,
    "447.700.900.221": None,
}


@pytest.mark.parametrize(("column", "cells"), [("message_id", IDS), ("to", PHONES)])
def test_ids_that_a_spreadsheet_wrote_anew_are_as_they_were_or_refused(
    engine, tmp_path, column, cells
):
    header, *rows = list(csv.reader((VENDORS / "vonage_sms_report.csv").open()))
    failed = next(r for r in rows if r[header.index("status")] == "failed")
    written = [
        [c if h != column else cell for h, c in zip(header, failed, strict=True)] for cell in cells
    ]
    if column == "to":
        for n, cells_of_row in enumerate(written):
            cells_of_row[header.index("message_id")] = f"12000000000000{n:02}"
    path = tmp_path / "vonage.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *written])
    export = exports.read(engine, str(path))
    ours = "message_id" if column == "message_id" else "contact_id"
    right = sorted({cell for cell in cells.values() if cell})
    assert sorted({*export.table[ours].execute()}) == right
    words = "message" if column == "message_id" else "contact"
    reasons = {f"a {words} ID damaged by a spreadsheet"}
    assert {*export.rejected.reason} == reasons
    assert len(export.rejected) == sum(cell is None for cell in cells.values())


TURNED = ["2026-10-05 14:00:01", "2026-12-11 14:00:01", "13/10/2026 14:00:01"], "turned dates"
DOTTED = ["05.10.2026 14:00:01", "11.12.2026 14:00:01"], "dotted dates"
SURE = ["05/10/2026 14:00:01", "13/10/2026 14:00:01"], None
CONNECTLY = "connectly_campaign_report.csv", "sent_at"
WOLKVOX = "wolkvox_campaign_records.csv", "DATE"
TWILIO = "twilio_console.csv", "SentDate"


@pytest.mark.parametrize(
    ("dates", "said", "name", "column"),
    [
        (*DOTTED, *CONNECTLY),
        (*TURNED, *WOLKVOX),
        (*SURE, *TWILIO),
        (*TURNED, *TWILIO),
        *(
            pytest.param(*form, *file, marks=long)
            for form, file in [
                (SURE, CONNECTLY),
                (TURNED, CONNECTLY),
                (SURE, WOLKVOX),
                (DOTTED, WOLKVOX),
                (DOTTED, TWILIO),
            ]
        ),
    ],
)
def test_what_forms_of_dates_leave_open_is_told_of_any_vendors_file(
    engine, tmp_path, dates, said, name, column
):
    header, *rows = list(csv.reader((VENDORS / name).open()))
    place = header.index(column)
    for n, cells in enumerate(rows):
        cells[place] = dates[n % len(dates)]
    path = tmp_path / name
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    kinds = {doubt.kind for doubt in exports.read(engine, str(path)).doubts}
    assert kinds & {"turned dates", "dotted dates"} == ({said} if said else set())


def test_columns_that_were_renamed_by_hand_keep_their_states(engine, tmp_path):
    path = tmp_path / "renamed.csv"
    path.write_text(
        "Channel ID,Contact ID,Status,Date & Time,Error,Message ID,Type\n"
        "+15005550006,+15005550101,failed,2025-09-23T21:19:04+05:30,21610,SM1,outbound-api\n"
        "+15005550101,+15005550006,received,2025-09-23T21:19:05+05:30,0,SM2,inbound\n"
        "+15005550006,+15005550102,delivered,2025-09-23T20:10:00+05:30,0,SM3,outbound-api\n"
        "+15005550006,+15005550103,undelivered,2025-09-23T20:10:00+05:30,30005,SM4,outbound-api\n"
    )
    export = exports.read(engine, path)
    assert said(export) == Counter(
        [
            ("+15005550101", "2025-09-23 15:49:04", "21610"),
            ("+15005550103", "2025-09-23 14:40:00", "30005"),
        ]
    )
    assert reached(export) == ["+15005550102"]


@pytest.mark.parametrize(
    ("header", "row", "error"),
    [
        ("Error Code,Error Message,Error Details", "131050,Failed,Stopped", "131050: Failed"),
        ("Código de error,Motivo", "131047,Pasaron 24 horas", "131047: Pasaron 24 horas"),
        ("Error,Error Code", ",131049", "131049"),
    ],
)
def test_a_code_in_a_column_of_its_own_is_part_of_the_error(engine, tmp_path, header, row, error):
    path = tmp_path / "failed.csv"
    path.write_text(
        f"Date & Time,Contact ID,Message ID,Channel ID,{header}\n"
        f"2026-11-05 10:00:00,500,1793872800380125,1001,{row}\n"
    )
    [told] = exports.read(engine, path).table.error.to_pandas()
    assert told.startswith(error)


STATES = {
    "reached": [
        *("delivered", "READ", "Delivered to handset", "clicked", "replied", "opened", "success"),
        *("Entregado", "LEIDO", "Leído", "lei\u0301da", "lido", "délivré", "gelesen", "Consegnato"),
    ],
    "failed": [
        *("failed", "undelivered", "UNDELIVERABLE", "Not delivered", "not-delivered", "rejected"),
        *("expired", "No entregado", "no_entregado", "Fallido", "Não entregue", "non délivré"),
        *("Nicht zugestellt", "fehlgeschlagen", "errore"),
    ],
    "open": ["sent", "Queued", "Enviado", "enviada", "en cola", "en file d’attente", "gesendet"],
    "unknown": ["not read", "Delivered?", "half-way", "nada"],
}


def test_states_of_columns_named_by_hand_are_known_by_words_and_others_are_rejected(
    engine, tmp_path
):
    path = tmp_path / "renamed.csv"
    said = [(state, word) for state, words in STATES.items() for word in words]
    lines = [
        f"{1000 + n},m{n},2026-11-05 10:{n:02}:00,1001,{word},"
        f"{'' if state == 'open' else 'an error'},x"
        for n, (state, word) in enumerate(said)
    ]
    lines += ["2001,n1,2026-11-05 10:59:00,1001,,no state and an error,x"]
    header = "Contact ID,Message ID,Date,Channel ID,Status,Error,Content"
    path.write_text("\n".join([header, *lines, ""]), "utf-8")
    export = exports.read(engine, path)

    def words(table):
        ids = table.contact_id.execute()
        return sorted(said[int(one) - 1000][1] if one < "2000" else "" for one in ids)

    assert words(export.table) == sorted([*STATES["failed"], ""])
    assert len(reached(export)) == len(STATES["reached"])
    assert export.rejected.reason.tolist() == [mapping.NO_STATE] * len(STATES["unknown"])
    kinds = {doubt.kind: doubt.values["n"] for doubt in export.doubts}
    assert kinds["rejected failed"] == len(STATES["unknown"])
    assert kinds["under way"] == len(STATES["open"])


# --- which profile


OWN = """
title = "Acme"
source = "Acme's help"
grade = "A"
date = "2026-11"
provider = "acme"

[[form]]
name = "log"
required = ["contact_id", "state"]
recipient = "phone"
zone = "America/Bogota"

[form.columns]
contact_id = ["Ziel"]
sent_at = ["Zeit"]
state = ["Zustand"]
code = ["Fehler"]

[form.states]
failed = { state = ["fehlgeschlagen"] }
reached = { state = ["zugestellt"] }
"""
GERMAN = (
    "Zeit;Ziel;Zustand;Fehler\n"
    "05.10.2026 14:00:01;+491511234567;fehlgeschlagen;E7\n"
    "25.10.2026 14:00:02;+491511234568;zugestellt;\n"
)


def test_a_users_own_profile_reads_what_no_packaged_one_knows(engine, tmp_path):
    log, own = tmp_path / "log.csv", tmp_path / "acme.toml"
    log.write_text(GERMAN)
    own.write_text(OWN)
    with pytest.raises(ColumnError, match=r"'Zeit', 'Ziel'.*rebroadcast profiles log\.csv"):
        exports.read(engine, log)
    export = exports.read(engine, log, profile=str(own))
    assert said(export) == Counter([("491511234567", DAY + "19:00:01", "E7")])
    assert export.table.provider.execute().tolist() == ["acme"]
    assert reached(export) == ["491511234568"]


def test_a_users_own_profile_goes_before_a_packaged_one(engine, tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text(
        OWN.replace('["Ziel"]', '["To"]')
        .replace('["Zustand"]', '["Status"]')
        .replace('["fehlgeschlagen"]', '["queued"]')
        .replace('["zugestellt"]', '["*"]')
        .replace('["Zeit"]', '["SentDate"]')
    )
    export = exports.read(engine, VENDORS / "twilio_console.csv", profile=str(own))
    assert export.table.contact_id.execute().tolist() == ["12025550119"]


def test_where_two_profiles_fit_the_user_is_asked_and_a_name_decides(engine, tmp_path, monkeypatch):
    other = profile.packaged()["twilio"].model_copy(update={"name": "resold", "title": "Resold"})
    both = {**profile.packaged(), "resold": other}
    monkeypatch.setattr(profile, "packaged", lambda: both)
    path = VENDORS / "twilio_console.csv"
    with pytest.raises(ColumnError, match=r"could be of resold, twilio|twilio, resold.*profile"):
        exports.read(engine, path)
    assert exports.read(engine, path, profile="twilio").rows == 6


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("twillio", "Did you mean 'twilio'"),
        ("vonage", "expected|no column|no 'Error'"),
        ("missing.toml", "cannot be used"),
    ],
)
def test_a_profile_that_does_not_fit_is_refused_in_one_sentence(engine, name, words):
    with pytest.raises(InputError, match=words):
        exports.read(engine, VENDORS / "twilio_console.csv", profile=name)


LACKING = {  # a profile's name, a file, and the columns that are named; "" where no name is given
    "a state misspelt": (
        "twilio",
        "To,Statuss,Sid\n+447700900111,failed,SM1\n",
        "no column 'status', which Twilio, message log needs; found: 'To', 'Statuss', 'Sid'. Did"
        " you mean 'Statuss'?",
    ),
    "one of two would do": (
        "connectly",
        "customer_external_id,sent_at\n+447700900111,2024-05-10 20:13:50\n",
        "no column 'error_code' / 'error_msg', 'delivered_at' / 'read_at', which Connectly",
    ),
    "nothing of it": ("twilio", "a,b\nx,y\n", "no column 'to', 'sid', 'status', which Twilio"),
    "a path": (
        "meta",
        '{"entry": [{"value": {"messaging_product": "whatsapp", "statuses": [{"id": "a",'
        ' "statu": "failed", "timestamp": "1791208801", "recipient_id": "1"}]}}]}',
        "no column 'statuses[].status', which WhatsApp Cloud API, status webhooks needs",
    ),
    "a profile of their own": (
        "own.toml",
        "To,Ausgang,Zeiten\n+491511234567,kaputt,1\n",
        "no column 'Zeit', 'Ziel', 'Zustand', which Acme, log needs; found: 'To', 'Ausgang',"
        " 'Zeiten'. Did you mean 'Zeiten'?",
    ),
    "no name, and most of a vendor's columns": (
        "",
        "From,To,Body,Sid,Direction,SentDate,Estado\n1,+447700900111,Hi,SM1,outbound-api,x,y\n",
        "no column 'status', which Twilio, message log needs",
    ),
}


@pytest.mark.parametrize("how", LACKING)
def test_the_columns_that_a_profile_needs_and_a_file_lacks_are_named(engine, tmp_path, how):
    name, text, words = LACKING[how]
    path, own = tmp_path / "log", tmp_path / "own.toml"
    path.write_text(text)
    own.write_text(OWN.replace('required = ["', 'required = ["sent_at", "'))
    with pytest.raises(ColumnError) as caught:
        exports.read(engine, path, profile=str(own) if name == "own.toml" else name)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('grade = "A"\n', ""), "grade is missing"),
        (
            ('recipient = "phone"', 'recipient = "person"'),
            "form 1: recipient is 'person'; expected one of: contact, phone, address",
        ),
        (("[form.states]", "[form.stats]"), "form 1: stats is no .* Did you mean 'states'"),
        (("title", "title ="), "this is not TOML"),
        (("[[form]]", "[form]"), "form is .*; expected a valid list"),
        (
            ('contact_id = ["Ziel"]', "contact_id = 3"),
            "form 1: columns.contact_id is 3; expected a valid list",
        ),
    ],
)
def test_a_profile_file_that_is_wrong_says_where(tmp_path, change, words):
    own = tmp_path / "acme.toml"
    own.write_text(OWN.replace(*change, 1))
    with pytest.raises(InputError, match=words):
        profile.load(own)


def test_a_file_that_no_profile_knows_gets_one_to_complete(engine, tmp_path):
    log, own = tmp_path / "log.csv", tmp_path / "own.toml"
    log.write_text("Wann,To,Ausgang,ErrorCode\n2026-10-05 14:00:01,+491511234567,failed,7\n")
    own.write_text(files.stub(log).replace('state = ["?"]', 'state = ["Ausgang"]'))
    export = exports.read(engine, log, profile=str(own))
    assert said(export) == Counter([("491511234567", None, "7")])


def test_a_document_that_no_profile_knows_gets_one_to_complete(engine, tmp_path):
    log, own = tmp_path / "log.json", tmp_path / "own.toml"
    rows = [{"id": n, "who": {"tel": f"+44770090011{n}"}, "status": "failed"} for n in (1, 2)]
    log.write_text(json.dumps({"meta": {"page": 1}, "hits": {"list": rows}}))
    own.write_text(files.stub(log).replace('contact_id = ["?"]', 'contact_id = ["who.tel"]'))
    export = exports.read(engine, log, profile=str(own))
    assert sorted(export.table.contact_id.execute()) == ["447700900111", "447700900112"]


def test_every_profile_says_where_it_comes_from():
    for name, one in profile.packaged().items():
        assert one.title and one.source and one.grade in "ABC" and one.date, name
        for form in one.form:
            assert {*form.required} <= form.columns.keys(), (name, form.name)
            named = {ours for tests in form.states.values() for ours in tests}
            assert named <= form.columns.keys(), (name, form.name)


# --- what is promised for every vendor


PROMISED = {
    "meta_status_webhooks.jsonl": "447700900164",
    "twilio_console.csv": "447700900116",
    "gc_notify_report_en.csv": "16135550103",
}
FIXED = "policy,configuration,content,template,account,outside_window,unknown"


@pytest.fixture(scope="module", params=few_first(PROMISED, 1))
def again(request, tmp_path_factory):
    """A report on who to reach again, and the same broadcast asked once more under another tag."""
    home = tmp_path_factory.mktemp("again")
    given = {"exports": str(VENDORS / request.param), "ledger": str(home / "ledger")}
    given |= {"fixed": FIXED, "timezone": "UTC"}
    first = reports.run("tag_import", given | {"tag": "first {broadcast}"}, home / "first")
    bench = workbench.open(
        given | {"tag": "second {broadcast}", "out": str(home / "second")}, "tag_import"
    )
    second = recover(bench.settings, bench.tables, bench.results)
    bench.finish(second)
    return request.param, home, first, second


def test_each_row_of_any_vendors_file_has_one_disposition(engine, again):
    name, home, first, _ = again
    export = exports.read(engine, VENDORS / name)
    counts = first["counts"]
    assert counts["rejected"] == len(export.rejected)
    assert sum(counts.values()) == export.rows + len(export.rejected)
    rows = engine.con.read_parquet(home / "first" / "data" / "dispositions.parquet")
    rows = rows.filter(rows.disposition != "rejected")
    assert rows.count().execute() == rows.row.nunique().execute() == export.rows
    tagged = set(rows.filter(rows.disposition == "tagged").contact_id.execute())
    assert PROMISED[name] in tagged and not tagged & set(reached(export))


def test_the_ledger_lets_nobody_of_any_vendor_be_tagged_twice(again):
    _, _, first, second = again
    assert first["counts"]["tagged"] and not second.counts["tagged"] and not second.files
    assert second.counts["tagged_before"] == first["counts"]["tagged"]


def test_a_phone_stands_in_import_and_data_only(engine, again):
    name, home, _, _ = again
    people = set(exports.read(engine, VENDORS / name).messages.table.contact_id.execute())
    written = [path for path in sorted((home / "first").rglob("*")) if path.is_file()]
    private = [path for path in written if {"import", "data"} & {*path.parts}]
    assert any(
        PROMISED[name] in path.read_text("utf-8") for path in private if path.suffix == ".csv"
    )
    for path in {*written} - {*private}:
        text = re.sub(
            r'<script type="text/plain" id="plotly[^<]*</script>', "", path.read_text("utf-8")
        )
        assert not [who for who in people if who in text], path.name


@pytest.mark.parametrize("kind", ["failed", "messages"])
def test_a_log_of_messages_on_their_way_is_not_said_to_be_empty(engine, tmp_path, kind):
    rows = [f"+4477009001{n},queued,2026-10-05 14:00:{n},,SM{n},outbound-api" for n in (10, 11, 12)]
    (tmp_path / "log.csv").write_text(table(*rows))
    with pytest.raises(InputError, match=r"log\.csv: no message .* \(on their way: 3\)"):
        exports.read(engine, tmp_path / "log.csv", kind)


@pytest.mark.parametrize(
    ("states", "named"),
    [
        (["bounced_soft"] * 2, "the states bounced_soft."),
        (["b"] * 2 + ["c"] * 3 + ["d"] * 4 + ["e"] * 5, "the states e, d, c."),
        (["Ana García"], None),  # what one row alone has may be a person's
        ([], None),
    ],
)
def test_states_that_a_profile_does_not_know_are_named(engine, tmp_path, states, named):
    rows = [
        f"+4477009002{n},{state},2026-10-05 14:00:{n},,SN{n},outbound-api"
        for n, state in enumerate(states, 10)
    ]
    (tmp_path / "log.csv").write_text(table(FAILED, SENT, *rows))
    export = exports.read(engine, tmp_path / "log.csv")
    told = [doubt.text() for doubt in export.doubts if doubt.kind == "unknown states"]
    assert len(export.rejected) == len(states) and bool(told) == bool(named)
    assert not named or named in told[0]
