"""Looking at everything once: who answers, with what rights, and what a person has to mend where."""

from wcsync.doctor.diagnosis import Diagnosis
from wcsync.doctor.machine import examine_machine
from wcsync.doctor.mapping import Findings, examine_mapping
from wcsync.doctor.services import Known, Looks, examine

__all__ = ["Diagnosis", "Findings", "Known", "Looks", "examine", "examine_machine", "examine_mapping"]
