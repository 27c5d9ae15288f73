"""Pages."""

import pytest

from covet.paginator import ELLIPSIS, EmptyPage, PageNotAnInteger, Paginator


class Rows:
    """Counts and slices as a queryset does, and remembers what it was asked."""

    def __init__(self, count):
        self.items = list(range(count))
        self.asked = []

    async def count(self):
        self.asked.append("count")
        return len(self.items)

    def __getitem__(self, part):
        self.asked.append(part)

        async def rows():
            return self.items[part]

        return rows()


async def test_a_page_knows_its_place():
    page = await Paginator(list(range(10)), 4).page(2)

    assert list(page) == [4, 5, 6, 7]
    assert (page.start_index, page.end_index, len(page), page[0]) == (5, 8, 4, 4)
    assert (page.has_next, page.has_previous) == (True, True)
    assert (page.next_page_number, page.previous_page_number) == (3, 1)
    assert repr(page) == "<Page 2 of 3>"


async def test_a_queryset_is_counted_once_and_sliced_for_the_page():
    rows = Rows(10)
    paginator = Paginator(rows, 4)

    assert list(await paginator.page(3)) == [8, 9]
    assert await paginator.count() == 10
    assert rows.asked == ["count", slice(8, 10)]


async def test_orphans_join_the_last_page():
    paginator = Paginator(list(range(9)), 4, orphans=1)

    assert await paginator.num_pages() == 2
    assert list(await paginator.page(2)) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("number", "error"), [("x", PageNotAnInteger), (1.5, PageNotAnInteger), (0, EmptyPage), (4, EmptyPage)]
)
async def test_a_page_that_does_not_exist_is_an_error(number, error):
    with pytest.raises(error):
        await Paginator(list(range(10)), 4).page(number)


async def test_get_page_takes_the_nearest():
    paginator = Paginator(list(range(10)), 4)

    assert (await paginator.get_page("x")).number == 1
    assert (await paginator.get_page(99)).number == 3


async def test_an_empty_list_has_one_empty_page_or_none():
    page = await Paginator([], 4).page(1)

    assert (list(page), page.start_index, page.end_index, page.has_next) == ([], 0, 0, False)
    with pytest.raises(EmptyPage):
        await Paginator([], 4, allow_empty_first_page=False).page(1)
    with pytest.raises(EmptyPage):
        _ = page.next_page_number
    with pytest.raises(EmptyPage):
        _ = page.previous_page_number


async def test_far_pages_are_replaced_by_an_ellipsis():
    paginator = Paginator(list(range(100)), 1)

    assert await paginator.get_elided_page_range(50, on_each_side=1, on_ends=1) == [
        1,
        ELLIPSIS,
        49,
        50,
        51,
        ELLIPSIS,
        100,
    ]
    assert await paginator.get_elided_page_range(3, on_each_side=1, on_ends=1) == [1, 2, 3, 4, ELLIPSIS, 100]
    assert list(await paginator.page_range()) == list(range(1, 101))
