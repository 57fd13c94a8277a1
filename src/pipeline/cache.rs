//! What is dear to make (decoded chunks, restored matrices) and stays in memory from read to read, for all threads: least recently used
//! first out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

/// Values by number, of bounded size in all. One that several threads want at once is made by one of them.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    most: u64,
    state: Mutex<State<V>>,
}

/// Empty while it is being made.
type Place<V> = Arc<Mutex<Option<Arc<V>>>>;

#[derive(Debug)]
struct State<V> {
    slots: HashMap<u64, Slot<V>>,
    /// Numbers by the time of their last use.
    order: BTreeMap<u64, u64>,
    bytes: u64,
    clock: u64,
}

#[derive(Debug)]
struct Slot<V> {
    used: u64,
    bytes: u64,
    value: Place<V>,
}

impl<V> State<V> {
    fn touch(&mut self, number: u64) -> Option<Place<V>> {
        let slot = self.slots.get_mut(&number)?;
        self.clock += 1;
        self.order.remove(&slot.used);
        slot.used = self.clock;
        self.order.insert(self.clock, number);
        Some(Arc::clone(&slot.value))
    }

    fn forget(&mut self, number: u64) {
        if let Some(slot) = self.slots.remove(&number) {
            self.order.remove(&slot.used);
            self.bytes -= slot.bytes;
        }
    }
}

impl<V> Cache<V> {
    /// A cache of up to `most` bytes; a value that a thread is just reading may stand beside it.
    pub(crate) fn new(most: u64) -> Self {
        let state = State { slots: HashMap::new(), order: BTreeMap::new(), bytes: 0, clock: 0 };
        Self { most, state: Mutex::new(state) }
    }

    /// Whether values of `bytes` are kept at all.
    #[cfg(any(feature = "hdf5", test))]
    pub(crate) fn takes(&self, bytes: u64) -> bool {
        bytes <= self.most
    }

    /// A value, if it is there and made.
    #[cfg(any(feature = "hdf5", test))]
    pub(crate) fn get(&self, number: u64) -> Option<Arc<V>> {
        let value = self.state.lock().unwrap_or_else(PoisonError::into_inner).touch(number)?;
        let value = value.try_lock().ok()?;
        value.clone()
    }

    /// A value of `bytes`, from memory or made by `make`; `None` where `make` finds none.
    pub(crate) fn get_or_make(
        &self,
        number: u64,
        bytes: u64,
        make: impl FnOnce() -> Result<Option<V>>,
    ) -> Result<Option<Arc<V>>> {
        let slot = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match state.touch(number) {
                Some(slot) => slot,
                None => {
                    while state.bytes + bytes > self.most {
                        let Some((_, oldest)) = state.order.first_key_value().map(|(u, n)| (*u, *n)) else { break };
                        state.forget(oldest);
                    }
                    state.bytes += bytes;
                    let slot = Slot { used: 0, bytes, value: Arc::new(Mutex::new(None)) };
                    let value = Arc::clone(&slot.value);
                    state.slots.insert(number, slot);
                    state.touch(number);
                    value
                }
            }
        };
        // Whoever comes second waits here for the first, and finds it made.
        let mut value = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*value {
            return Ok(Some(Arc::clone(value)));
        }
        let made = make();
        match made {
            Ok(Some(made)) => {
                let made = Arc::new(made);
                *value = Some(Arc::clone(&made));
                Ok(Some(made))
            }
            other => {
                self.state.lock().unwrap_or_else(PoisonError::into_inner).forget(number);
                other.map(|_| None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::refuse;

    fn decode(cache: &Cache<Vec<u8>>, number: u64) -> bool {
        let mut made = false;
        let value = cache
            .get_or_make(number, 10, || {
                made = true;
                Ok(Some(vec![number as u8; 10]))
            })
            .unwrap();
        assert_eq!(value.unwrap()[0], number as u8);
        made
    }

    #[test]
    fn the_value_used_longest_ago_goes_first_and_the_bound_holds() {
        let cache = Cache::new(30);
        assert!(decode(&cache, 1) && decode(&cache, 2) && decode(&cache, 3));
        assert!(!decode(&cache, 1));
        assert!(decode(&cache, 4));
        assert!(!decode(&cache, 1) && !decode(&cache, 3) && decode(&cache, 2));
        let state = cache.state.lock().unwrap();
        assert_eq!((state.bytes, state.slots.len(), state.order.len()), (30, 3, 3));
    }

    #[test]
    fn what_fails_or_is_not_there_is_not_kept() {
        let cache = Cache::new(30);
        assert!(cache.get_or_make(7, 10, || refuse!(Corrupt, "damaged")).is_err());
        assert!(cache.get_or_make(7, 10, || Ok(None)).unwrap().is_none());
        assert!(cache.get(7).is_none());
        assert!(decode(&cache, 7) && cache.get(7).is_some());
        assert!(!cache.takes(31));
    }

    #[test]
    fn threads_that_want_the_same_value_make_it_once() {
        let cache = Cache::new(1000);
        let made = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for number in 0..20 {
                        let make = || {
                            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            Ok(Some(vec![number as u8; 10]))
                        };
                        assert_eq!(cache.get_or_make(number, 10, make).unwrap().unwrap()[3], number as u8);
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 20);
    }
}
