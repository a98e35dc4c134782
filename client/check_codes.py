"""Every way in which `insula site check` can fail, and what to do; docs/site-check.md says more."""

from collections.abc import Mapping

REMEDIES: Mapping[str, str] = {
    # the folder
    "site-settings": "run `insula site init`, or mend node/site.yaml",
    "site-permissions": "chmod 700 the folder and chmod 600 the files named",
    "disk-space": "make room on the disk of the site folder",
    "disk-write": "let this user write to the site folder; make room; look at the disk's health",
    # the line to the server
    "dns-unknown": "ask the coordinator for the server's name; ask IT whether it resolves outside",
    "dns-no-answer": "look at the name servers of this machine (/etc/resolv.conf)",
    "proxy-setting": "set HTTPS_PROXY to http://HOST:PORT, or list the server in NO_PROXY",
    "proxy-unreachable": "look at HTTPS_PROXY and at the way to the proxy; or use NO_PROXY",
    "proxy-refused": "have the proxy allow CONNECT to the server's host and port for this machine",
    "port-closed": "ask the coordinator whether the server runs, and on which port",
    "port-no-answer": "have the firewall allow outgoing TCP to the server's host and port",
    "port-unreachable": "look at this machine's network and routes",
    "ca-unreadable": "put the coordinator's ca.pem at SITE/node/ca.pem",
    "tls-none": "look for a proxy or firewall in between, or a server without TLS on this port",
    "tls-wrong-ca": "compare ca.pem with the coordinator's; let IT not inspect the host",
    "tls-expired": "look at this machine's date; else the coordinator renews the certificate",
    "tls-not-yet-valid": "look at this machine's date; else ask the coordinator",
    "tls-wrong-name": "use the name that the certificate was made for, in node/site.yaml",
    "tls-certificate": "send the words to the coordinator",
    "clock-off": "switch on NTP on this machine; tell the coordinator if it is right here",
    "clock-unmeasured": "ask the coordinator for the server's time, and compare it by hand",
    "node-key-unreadable": "restore SITE/node/node.key from its backup, mode 600",
    "node-key-not-registered": "send SITE/node/node.pub to the coordinator, who registers it",
    "node-key-refused": "mend the clock; then compare node.pub with what was registered",
    "node-key-unmeasured": "ask the coordinator whether host and port are those of the SuperLink",
    # what the clinic allows
    "site-left": "this clinic left the study; a new site folder is needed to come back",
    "forgotten-list": "restore forgotten.json and heads.key from one backup",
    "policy": "mend SITE/policy.yaml; `insula site init` in an empty folder shows a whole one",
    "protocol": "copy the protocol that was agreed to SITE/protocol.yaml",
    "policy-forbids": "read the protocol; if you agree, add its digest to policy.yaml",
    "agreement": "countersign again: `insula study countersign`",
    "clinic-name": "name the clinic in node/site.yaml as the agreement does",
    "ledger-broken": "`insula privacy verify SITE/ledger`; never restore an older ledger",
    "ledger-torn": "start the agent: it cuts the torn line off and writes that down; check again",
    "budget-spent": "end the study here: what was promised to the patients is used up",
    "cohort-ledger": "give lifetime.folder of the policy a place that outlives studies, and room",
    "cohort-budget-spent": "end the study here: all studies together used up what patients have",
    # the patients
    "site-table": "run `insula site import`",
    "heads": "erase the head that is named, or restore it with heads.key from one backup",
    "patients-too-few": "import more patients or more days; SITE/site-report.json tells more",
    "dry-round": "send the words to the coordinator: this version cannot compute the round",
    "dry-round-sensitivity": "do not take part: tell the coordinator that a row depends on others",
    "dry-round-slow": "use a faster machine, or ask the coordinator for a longer deadline",
    # the agent
    "agent-absent": "start the agent: `insula site serve SITE`",
    "agent-denied": "let this user open the socket: `insula site serve SITE --group GROUP`",
    "agent-silent": "wait if it is in a round; else read SITE/agent.log and start it again",
}
"""What to do about each; the key is a heading of docs/site-check.md."""
