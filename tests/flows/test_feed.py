"""What one agent hands to another arrives in order, or is counted as lost."""

from flows.feed import Feed


async def test_everything_is_taken_in_order() -> None:
    feed = Feed[int]()
    for number in range(3):
        feed.put(number)
    assert await feed.take(1) == [0, 1, 2]
    assert await feed.take(0.01) == []


async def test_what_could_not_be_handled_comes_first_again() -> None:
    feed = Feed[int]()
    feed.put(1)
    taken = await feed.take(1)
    feed.put(2)
    feed.put_back(taken)
    assert await feed.take(1) == [1, 2]


async def test_the_oldest_goes_when_there_is_no_room() -> None:
    feed = Feed[int](limit=2)
    for number in range(3):
        feed.put(number)
    assert feed.dropped == 1
    feed.put_back([7, 8])
    assert feed.dropped == 3
    assert await feed.take(1) == [1, 2]
