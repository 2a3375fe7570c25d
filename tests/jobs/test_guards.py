"""What the database itself refuses, whatever the code does."""

import pytest
from django.db import IntegrityError, connection, transaction

from tests.factories import ann, succeeded

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "statement",
    [
        "update job set state = 'running', finished_at = null, video_url = '' where id = %s",
        "update job set attempt = 0 where id = %s",
        "delete from job_transition where job_id = %s",
        "update ledger_entry set balance_delta = 0 where job_id = %s",
        (
            "insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta,"
            " house_delta, reason, reference)"
            " select owner_id, id, 'release', 1, -1, 0, 'again', '' from job where id = %s"
        ),
        (
            "insert into ledger_entry (account_id, kind, balance_delta, held_delta,"
            " house_delta, reason, reference)"
            " select owner_id, 'grant', 5, 0, 0, 'from nowhere', '1' from job where id = %s"
        ),
    ],
)
def test_the_database_refuses_what_code_must_never_do(statement: str) -> None:
    job = succeeded(ann())

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [job.id])
