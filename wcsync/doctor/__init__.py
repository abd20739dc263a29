"""Looking at everything once: who answers, with what rights, and what a person has to mend where."""

from wcsync.doctor.diagnosis import Diagnosis
from wcsync.doctor.machine import examine_machine
from wcsync.doctor.services import Known, Looks, examine

__all__ = ["Diagnosis", "Known", "Looks", "examine", "examine_machine"]
